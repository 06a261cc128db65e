// Work in other threads. `to_thread/<library>/round_trip`: ns from the call of an empty job until its caller goes on, one
// call at a time; `.../tasks/<n>`: ns per job where <n> callers keep a job each under way. `tombolo_cache` is the thread
// cache alone, without a run: start_thread_soon, with the caller waiting on an atomic. `std_async` and `std_thread` start a thread per job;
// `boost_fiber` is a hand-made pool of one thread that sets a boost::fibers::promise.

#include <tombolo/fibers/to_thread.hpp>

#include "benchmarks/support/boost_fibers.hpp"
#include "benchmarks/support/smoke.hpp"
#include "benchmarks/support/subject.hpp"

#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/thread_cache.hpp>

#include <boost/fiber/future.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

int empty_job() { return 1; }

void round_trip_tombolo(benchmark::State& state, tombolo::duration spin, bool abandonable) {
    tombolo::run(
        [&] {
            const tombolo::to_thread_options options{.abandon_on_cancel = abandonable};
            benchmark::DoNotOptimize(tombolo::to_thread(empty_job, options));
            for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(tombolo::to_thread(empty_job, options));
        },
        {.spin_before_sleep = spin});
}

void tasks_tombolo(benchmark::State& state, int tasks, int jobs) {
    tombolo::run([&] {
        bench::measure_warm(state, tasks * jobs, [&] {
            tombolo::open_nursery([&](tombolo::nursery& n) {
                for (int i = 0; i < tasks; ++i)
                    n.start_soon([&] {
                        for (int j = 0; j < jobs; ++j) benchmark::DoNotOptimize(tombolo::to_thread(empty_job));
                    });
            });
        });
    });
}

void round_trip_tombolo_cache(benchmark::State& state) {
    std::atomic<int> done = 0;
    int expected = 0;
    const auto round = [&] {
        tombolo::lowlevel::start_thread_soon(empty_job, [&](tombolo::outcome<int> result) {
            done.fetch_add(std::move(result).value(), std::memory_order_release);
            done.notify_one();
        });
        done.wait(expected++, std::memory_order_acquire);
    };
    round();
    for ([[maybe_unused]] auto _ : state) round();
    // The last thread may still be in notify_one.
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
}

std::future<int> start_std_async() { return std::async(std::launch::async, empty_job); }

std::future<int> start_std_thread() {
    std::promise<int> promise;
    std::future<int> future = promise.get_future();
    std::thread([promise = std::move(promise)]() mutable { promise.set_value(empty_job()); }).detach();
    return future;
}

void round_trip_std(benchmark::State& state, std::future<int> (*start)()) {
    for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(start().get());
}

void tasks_std(benchmark::State& state, std::future<int> (*start)(), int tasks, int jobs) {
    std::vector<std::future<int>> under_way(static_cast<std::size_t>(tasks));
    bench::measure_warm(state, tasks * jobs, [&] {
        for (auto& job : under_way) job = start();
        for (int j = 1; j < jobs; ++j)
            for (auto& job : under_way) {
                benchmark::DoNotOptimize(job.get());
                job = start();
            }
        for (auto& job : under_way) benchmark::DoNotOptimize(job.get());
    });
}

class one_thread_pool {
public:
    boost::fibers::future<int> start(int (*job)()) {
        boost::fibers::promise<int> promise;
        boost::fibers::future<int> future = promise.get_future();
        {
            const std::lock_guard lock{mutex_};
            queue_.push_back([job, promise = std::make_shared<boost::fibers::promise<int>>(std::move(promise))] {
                promise->set_value(job());
            });
        }
        changed_.notify_one();
        return future;
    }

private:
    void serve(const std::stop_token& stop) {
        for (;;) {
            std::function<void()> job;
            {
                std::unique_lock lock{mutex_};
                if (!changed_.wait(lock, stop, [this] { return !queue_.empty(); })) return;
                job = std::move(queue_.front());
                queue_.pop_front();
            }
            job();
        }
    }

    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::deque<std::function<void()>> queue_;
    std::jthread thread_{[this](const std::stop_token& stop) { serve(stop); }};
};

void round_trip_boost_fiber(benchmark::State& state) {
    one_thread_pool pool;
    for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(pool.start(empty_job).get());
}

void tasks_boost_fiber(benchmark::State& state, int tasks, int jobs) {
    one_thread_pool pool;
    bench::boost_fiber_stacks stacks;
    bench::measure_warm(state, tasks * jobs, [&] {
        std::vector<boost::fibers::fiber> fibers;
        for (int i = 0; i < tasks; ++i)
            fibers.push_back(bench::post_fiber(stacks, [&] {
                for (int j = 0; j < jobs; ++j) benchmark::DoNotOptimize(pool.start(empty_job).get());
            }));
        for (auto& fiber : fibers) fiber.join();
    });
}

}  // namespace

int main(int argc, char** argv) {
    const int tasks = 8;
    const int jobs = bench::scaled(200, 5);
    const std::string many = "tasks/" + std::to_string(tasks);
    bench::add("to_thread/tombolo/round_trip", round_trip_tombolo, tombolo::duration::zero(), false)->UseRealTime();
    bench::add("to_thread/tombolo/round_trip_abandonable", round_trip_tombolo, tombolo::duration::zero(), true)
        ->UseRealTime();
    bench::add("to_thread/tombolo/round_trip_spinning", round_trip_tombolo, std::chrono::microseconds{50}, false)
        ->UseRealTime();
    bench::add("to_thread/tombolo_cache/round_trip", round_trip_tombolo_cache)->UseRealTime();
    bench::add("to_thread/std_async/round_trip", round_trip_std, start_std_async)->UseRealTime();
    bench::add("to_thread/std_thread/round_trip", round_trip_std, start_std_thread)->UseRealTime();
    bench::add("to_thread/boost_fiber/round_trip", round_trip_boost_fiber)->UseRealTime();
    bench::add("to_thread/tombolo/" + many, tasks_tombolo, tasks, jobs)->UseRealTime();
    bench::add("to_thread/std_async/" + many, tasks_std, start_std_async, tasks, jobs)->UseRealTime();
    bench::add("to_thread/std_thread/" + many, tasks_std, start_std_thread, tasks, jobs)->UseRealTime();
    bench::add("to_thread/boost_fiber/" + many, tasks_boost_fiber, tasks, jobs)->UseRealTime();
    return bench::run_subjects(argc, argv);
}
