#pragma once

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/cancel_watch.hpp>

#include <memory>
#include <stop_token>
#include <string_view>
#include <utility>

namespace tombolo {

namespace kernel {
struct stop_link;
}  // namespace kernel

/// While it lives, a stop request cancels a scope: the way from std::jthread's world into a run. Use run_with_stop_token when
/// the scope is to have no other purpose.
///
/// The request may come from any thread. On another one the scope is cancelled a moment later, by the run itself; on the
/// run's own, before request_stop() returns. If stop was requested before, the scope is cancelled at once.
///
/// Lifetime: immovable; made and destroyed on the thread of the scope's run, before the scope. The token's source may live
/// longer or shorter. Source: none in trio.
class [[nodiscard]] cancel_on_stop {
public:
    /// `reason` is what the cancelled see; empty: a sentence that names the stop token.
    /// Checkpoint: never. Throws: not_in_run; wrong_thread.
    cancel_on_stop(cancel_scope& scope, std::stop_token token, std::string_view reason = {});
    cancel_on_stop(const cancel_on_stop&) = delete;
    cancel_on_stop& operator=(const cancel_on_stop&) = delete;
    /// Returns when no request can reach the scope any more; waits for one that is under way on another thread.
    ~cancel_on_stop();

private:
    std::unique_ptr<kernel::stop_link> link_;  // null for a token that nobody can stop
};

/// Runs `body` until somebody requests stop. Returns its value as an optional, bool for void: empty or false when the request
/// ended it.
/// Checkpoint: never by itself; the body decides. Cancellation: as cancel_scope::run. Throws: what the body throws;
/// not_in_task.
template <class F>
auto run_with_stop_token(std::stop_token token, F&& body) {
    cancel_scope scope;
    const cancel_on_stop link(scope, std::move(token));
    return scope.run(std::forward<F>(body));
}

/// A std::stop_source that requests stop when the code inside a scope gets cancelled, whoever does it: the way from a run into
/// code that knows std::stop_token only (std::jthread, std::condition_variable_any, functions called in to_thread).
///
/// Whoever waits for the token's stop is called inside cancel(): stop callbacks must not block.
///
/// Lifetime: immovable; made and destroyed on the thread of the scope's run. Scope and source may die in any order, and
/// tokens may outlive both; what was not requested by then never will be, unless by the source itself.
/// Source: none in trio.
class scope_stop_source {
public:
    /// Requests stop at once if the scope is cancelled already.
    /// Checkpoint: never. Throws: wrong_thread.
    explicit scope_stop_source(cancel_scope& scope);

    /// Callable from: any thread, like what they return.
    std::stop_token get_token() const noexcept { return source_.get_token(); }
    const std::stop_source& source() const noexcept { return source_; }
    bool stop_requested() const noexcept { return source_.stop_requested(); }

private:
    std::stop_source source_;
    lowlevel::cancel_watch watch_;
};

}  // namespace tombolo
