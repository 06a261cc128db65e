// Cancelling parked tasks: `cancel/<library>/<tasks>`, ns per task, from the call that cancels until every task has
// unwound its stack and ended. Starting and parking them is not measured. Boost.Fiber has no cancellation: its fibers
// do what a user would write by hand, a flag that a woken fiber looks at before it throws. `throw_catch` is the
// exception alone, through the same frames, without a task.

#include "benchmarks/support/boost_fibers.hpp"
#include "benchmarks/support/smoke.hpp"
#include "benchmarks/support/stopwatch.hpp"
#include "benchmarks/support/subject.hpp"
#include "benchmarks/support/unwound.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <boost/fiber/condition_variable.hpp>
#include <boost/fiber/mutex.hpp>

#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct cancelled_by_hand {};

void expect_all_unwound(std::int64_t unwound, std::int64_t tasks) {
    if (unwound != tasks) {
        throw std::logic_error{std::to_string(unwound) + " of " + std::to_string(tasks) + " tasks were unwound"};
    }
}

void cancel_tombolo(benchmark::State& state, int tasks) {
    tombolo::run([&] {
        while (state.KeepRunningBatch(tasks)) {
            std::int64_t unwound = 0;
            int parked = 0;
            bench::stopwatch watch;
            tombolo::open_nursery([&](tombolo::nursery& nursery) {
                for (int i = 0; i < tasks; ++i) {
                    nursery.start_soon([&] {
                        const bench::unwound local{unwound};
                        ++parked;
                        tombolo::sleep_forever();
                    });
                }
                while (parked != tasks) {
                    tombolo::checkpoint();
                }
                watch = {};
                nursery.cancel_scope().cancel("measured");
            });
            state.SetIterationTime(watch.seconds());
            expect_all_unwound(unwound, tasks);
        }
    });
}

class cancellable_wait {
public:
    [[gnu::noinline]] void wait() {
        std::unique_lock lock{mutex_};
        ++parked_;
        changed_.wait(lock, [this] { return cancelled_; });
        throw cancelled_by_hand{};
    }

    void cancel() {
        {
            const std::lock_guard lock{mutex_};
            cancelled_ = true;
        }
        changed_.notify_all();
    }

    int parked() const { return parked_; }

private:
    boost::fibers::mutex mutex_;
    boost::fibers::condition_variable changed_;
    bool cancelled_ = false;
    int parked_ = 0;
};

void cancel_boost_fiber(benchmark::State& state, int tasks) {
    bench::boost_fiber_stacks stacks;
    std::vector<boost::fibers::fiber> fibers;
    fibers.reserve(static_cast<std::size_t>(tasks));
    while (state.KeepRunningBatch(tasks)) {
        cancellable_wait forever;
        std::int64_t unwound = 0;
        for (int i = 0; i < tasks; ++i) {
            fibers.push_back(bench::post_fiber(stacks, [&] {
                try {
                    const bench::unwound local{unwound};
                    forever.wait();
                } catch (const cancelled_by_hand&) {  // the fiber ends, as a cancelled task does
                }
            }));
        }
        while (forever.parked() != tasks) {
            boost::this_fiber::yield();
        }
        const bench::stopwatch watch;
        forever.cancel();
        for (auto& fiber : fibers) {
            fiber.join();
        }
        state.SetIterationTime(watch.seconds());
        fibers.clear();
        expect_all_unwound(unwound, tasks);
    }
}

[[gnu::noinline]] void throw_by_hand(int depth, std::int64_t& unwound) {
    const bench::unwound local{unwound};
    if (depth == 0) {
        throw cancelled_by_hand{};
    }
    throw_by_hand(depth - 1, unwound);
    benchmark::ClobberMemory();
}

void throw_catch(benchmark::State& state) {
    std::int64_t unwound = 0;
    for ([[maybe_unused]] auto _ : state) {
        try {
            throw_by_hand(1, unwound);
        } catch (const cancelled_by_hand&) {  // the exception is all that is measured
        }
    }
    benchmark::DoNotOptimize(unwound);
}

}  // namespace

int main(int argc, char** argv) {
    const int tasks = bench::scaled(100'000, 1'000);
    bench::add("cancel/throw_catch/1", throw_catch);
    bench::add_self_timed("cancel/tombolo/" + std::to_string(tasks), cancel_tombolo, tasks);
    bench::add_self_timed("cancel/boost_fiber/" + std::to_string(tasks), cancel_boost_fiber, tasks);
    return bench::run_subjects(argc, argv);
}
