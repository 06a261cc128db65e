// What a task costs that does nothing but wait: `parked_memory/<library>/<tasks>`, measured in a fresh process. The time
// column is ns per task, from the first start until every task has run to its wait. The counters are what the process
// grew by: resident bytes per task, page table bytes per task, and memory mappings altogether. The stacks of
// `boost_fiber` have no guards; `boost_fiber_guarded` uses that library's own guarded allocator, with few tasks because
// it takes two mappings each and the kernel allows 65,530.

#include "benchmarks/support/boost_fibers.hpp"
#include "benchmarks/support/memory_use.hpp"
#include "benchmarks/support/smoke.hpp"
#include "benchmarks/support/stopwatch.hpp"
#include "benchmarks/support/subject.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <boost/fiber/condition_variable.hpp>
#include <boost/fiber/mutex.hpp>
#include <boost/fiber/protected_fixedsize_stack.hpp>

#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace {

bench::figures growth(double seconds, int tasks, const bench::memory_use& before, const bench::memory_use& after) {
    const auto per_task = [tasks](std::size_t from, std::size_t to) {
        return (static_cast<double>(to) - static_cast<double>(from)) / tasks;
    };
    return {
        {"seconds", seconds},
        {"operations", tasks},
        {"resident_bytes", per_task(before.resident_bytes, after.resident_bytes)},
        {"page_table_bytes", per_task(before.page_table_bytes, after.page_table_bytes)},
        {"mappings", static_cast<double>(after.mappings) - static_cast<double>(before.mappings)}};
}

bench::figures parked_tombolo(int tasks) {
    return tombolo::run([&] {
        int parked = 0;
        return tombolo::open_nursery([&](tombolo::nursery& nursery) {
            const auto before = bench::memory_use::now();
            const bench::stopwatch watch;
            for (int i = 0; i < tasks; ++i) {
                nursery.start_soon([&parked] {
                    ++parked;
                    tombolo::sleep_forever();
                });
            }
            while (parked != tasks) {
                tombolo::checkpoint();
            }
            const double seconds = watch.seconds();
            const auto after = bench::memory_use::now();
            nursery.cancel_scope().cancel("measured");
            return growth(seconds, tasks, before, after);
        });
    });
}

template <typename Start>
bench::figures parked_boost_fiber(int tasks, const Start& start) {
    boost::fibers::mutex mutex;
    boost::fibers::condition_variable changed;
    bool stop = false;
    int parked = 0;
    const auto park = [&] {
        std::unique_lock lock{mutex};
        ++parked;
        changed.wait(lock, [&] { return stop; });
    };
    const auto before = bench::memory_use::now();
    const bench::stopwatch watch;
    std::vector<boost::fibers::fiber> fibers;
    fibers.reserve(static_cast<std::size_t>(tasks));
    for (int i = 0; i < tasks; ++i) {
        fibers.push_back(start(park));
    }
    while (parked != tasks) {
        boost::this_fiber::yield();
    }
    const double seconds = watch.seconds();
    const auto after = bench::memory_use::now();
    {
        const std::lock_guard lock{mutex};
        stop = true;
    }
    changed.notify_all();
    for (auto& fiber : fibers) {
        fiber.join();
    }
    return growth(seconds, tasks, before, after);
}

bench::figures parked_boost_fiber_pooled(int tasks) {
    bench::boost_fiber_stacks stacks;
    return parked_boost_fiber(tasks, [&](auto park) { return bench::post_fiber(stacks, park); });
}

bench::figures parked_boost_fiber_guarded(int tasks) {
    return parked_boost_fiber(tasks, [](auto park) {
        return boost::fibers::fiber{
            boost::fibers::launch::post, std::allocator_arg, boost::fibers::protected_fixedsize_stack{},
            std::move(park)};
    });
}

void add(const std::string& library, int tasks, bench::figures (*measurement)(int)) {
    bench::add_in_fresh_process(
        "parked_memory/" + library + "/" + std::to_string(tasks), [=] { return measurement(tasks); });
}

}  // namespace

int main(int argc, char** argv) {
    add("tombolo", bench::scaled(1'000'000, 2'000), parked_tombolo);
    add("tombolo", bench::scaled(100'000, 1'000), parked_tombolo);
    add("boost_fiber", bench::scaled(100'000, 1'000), parked_boost_fiber_pooled);
    add("boost_fiber_guarded", bench::scaled(10'000, 1'000), parked_boost_fiber_guarded);
    return bench::run_subjects(argc, argv);
}
