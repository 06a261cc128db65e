#pragma once

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/channel.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/kernel/callable_ref.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/result_box.hpp>

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

namespace tombolo {

namespace kernel {
/// The broken_resource of a generator whose receiver is closed, told from those of other channels and locks.
class generator_left final : public broken_resource {
public:
    using broken_resource::broken_resource;
};
}  // namespace kernel

/// Where a generator puts its values: with_generator hands one to the producer.
///
/// Lifetime: a reference is good until the producer returns; tasks that the producer starts may use it, too.
template <class T>
class yielder {
public:
    yielder(sender<T>& to, cancel_scope& around) noexcept : to_(to), around_(around) {}
    yielder(const yielder&) = delete;
    yielder& operator=(const yielder&) = delete;

    /// Hands `value` to the receive that is waiting for it, and waits until the next one is wanted.
    /// Checkpoint: always. Cancellation: once the body has ended or its receiver is closed, the producer is cancelled: this and
    /// every later checkpoint of it throws `cancelled`. Throws: cancelled; what moving a T throws. In a shield inside the
    /// producer, where the cancellation does not reach, broken_resource instead.
    void emit(T&& value) {
        emit_by([&] { to_.send(std::move(value)); });
    }
    void emit(const T& value)
        requires std::copy_constructible<T>
    {
        emit_by([&] { to_.send(value); });
    }

private:
    template <class Send>
    void emit_by(Send send) {
        try {
            send();
            return to_.wait_for_receiver();
        } catch (const broken_resource&) {
            if (to_.statistics().open_receivers != 0) throw;
            around_.cancel("with_generator: the receiver is closed");
        }
        lowlevel::checkpoint_if_cancelled();
        throw kernel::generator_left(
            "yielder::emit: the receiver is closed, and a shield keeps the producer from being cancelled");
    }

    sender<T>& to_;
    cancel_scope& around_;
};

namespace kernel {
/// Calls `f`, which opens one nursery. If the nursery's group comes down to one error, that is thrown bare: a keyboard
/// interrupt before all others; else the only one that is no `cancelled`, or one of many `cancelled`. Other groups leave with
/// the message `mixed`.
void with_sole_error_bare(callable_ref f, const char* mixed);
}  // namespace kernel

/// Runs `producer(yielder<T>&)` as a generator in a task of its own, and `body(receiver<T>&)` beside it; returns the body's
/// value. The producer advances only while somebody waits for a value: it makes none in stock. The body's receiver ends
/// when the producer returns; the producer is cancelled when the body ends or closes the receiver, and awaited.
///
/// Why: a function that yields values while nurseries or timeouts are open around it. What is cancelled or fails in there
/// happens in the producer's task, and never looks as if it came from the consumer's.
///
/// Checkpoint: leaving always lets others run. Cancellation: cancels both.
/// Throws: what the body or the producer throws; if both fail, one exception_group (base_exception_group when a leaf is no
/// std::exception). not_in_task and its kin. Source: trio.as_safe_channel.
template <class T, class Producer, class Body>
    requires std::invocable<Producer&, yielder<T>&> && std::invocable<Body, receiver<T>&>
auto with_generator(Producer&& producer, Body&& body) -> std::invoke_result_t<Body, receiver<T>&> {
    auto ends = open_channel<T>(0);
    cancel_scope around;
    result_box<std::invoke_result_t<Body, receiver<T>&>> result;
    const auto generate = [&] {
        try {
            ends.tx.wait_for_receiver();
        } catch (const broken_resource&) {
            return;
        }
        try {
            yielder<T> to(ends.tx, around);
            std::invoke(producer, to);
        } catch (const kernel::generator_left&) {}
    };
    const auto both = [&] {
        open_nursery(
            [&](nursery& n) {
                const auto produce = [&] {
                    try {
                        around.run(generate);
                    } catch (...) {
                        // First the cancel, so that the body does not take the failure for the end; a body that has
                        // shielded itself must not wait for ever, though.
                        n.cancel_scope().cancel("with_generator: the generator failed");
                        ends.tx.close();
                        throw;
                    }
                    ends.tx.close();
                };
                n.start_soon(produce, {.name = "generator"});
                // Also when the body fails: what the producer emits in a shield while it ends must not wait for anybody.
                const scope_exit close([&] { ends.rx.close(); });
                result.capture(std::forward<Body>(body), ends.rx);
                around.cancel("with_generator: the body has ended");
            },
            {.strict_groups = true});
    };
    kernel::with_sole_error_bare(both, "with_generator: the generator and the body both failed");
    return result.take();
}

}  // namespace tombolo
