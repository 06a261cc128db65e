// What it costs to hand the thread to the next runnable task: `yield/<library>/<tasks>`, ns per yield.
// The task that measures is one of <tasks>, in every library. `.../deadline`: each task inside a cancel scope whose
// deadline is an hour away. The stacks of `fcontext` lie as well as they can; those of `fcontext_plain_stacks` are all
// aligned alike.

#include "benchmarks/support/boost_fibers.hpp"
#include "benchmarks/support/fcontext_ring.hpp"
#include "benchmarks/support/floor.hpp"
#include "benchmarks/support/subject.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

[[noreturn]] void yield_for_ever(bench::fcontext_ring& ring, void*) {
    for (;;) {
        ring.yield();
    }
}

void measure_ring(benchmark::State& state, int contexts, bench::fcontext_ring ring) {
    bench::measure_warm(state, contexts, [&ring] { ring.yield(); });
}

void yield_fcontext(benchmark::State& state, int contexts) {
    measure_ring(state, contexts, {static_cast<std::size_t>(contexts), yield_for_ever});
}

void yield_fcontext_plain(benchmark::State& state, int contexts) {
    measure_ring(
        state, contexts, bench::fcontext_ring::plain_stacks(static_cast<std::size_t>(contexts), yield_for_ever));
}

/// What the other tasks do until the measuring one says stop. They count, to prove that each had its turn in every round:
/// a yield that nobody gains by costs nothing.
class turns {
public:
    template <typename Yield>
    void take(const Yield& yield) {
        std::int64_t taken = 0;
        while (!stop_) {
            ++taken;
            yield();
        }
        taken_ += taken;
    }

    void stop() { stop_ = true; }

    void expect_all(const benchmark::State& state, int tasks) const {
        const std::int64_t rounds = state.iterations() / tasks;
        if (taken_ < rounds * (tasks - 1)) {
            throw std::logic_error{"some tasks did not get their turns"};
        }
    }

private:
    bool stop_ = false;
    std::int64_t taken_ = 0;
};

void yield_boost_fiber(benchmark::State& state, int fibers) {
    bench::boost_fiber_stacks stacks;
    turns all;
    std::vector<boost::fibers::fiber> others;
    for (int i = 1; i < fibers; ++i) {
        others.push_back(bench::post_fiber(stacks, [&all] { all.take([] { boost::this_fiber::yield(); }); }));
    }
    bench::measure_warm(state, fibers, [] { boost::this_fiber::yield(); });
    all.stop();
    for (auto& fiber : others) {
        fiber.join();
    }
    all.expect_all(state, fibers);
}

void yield_floor(benchmark::State& state, int tasks) {
    bench::floor floor;
    turns all;
    for (int i = 1; i < tasks; ++i) {
        floor.spawn([&floor, &all] { all.take([&floor] { floor.yield(); }); });
    }
    bench::measure_warm(state, tasks, [&floor] { floor.yield(); });
    all.stop();
    floor.join();
    all.expect_all(state, tasks);
}

template <typename Around>
void yield_tombolo_inside(benchmark::State& state, int tasks, Around around) {
    turns all;
    tombolo::run([&] {
        tombolo::open_nursery([&](tombolo::nursery& nursery) {
            for (int i = 1; i < tasks; ++i) {
                nursery.start_soon([&] { around([&all] { all.take([] { tombolo::checkpoint(); }); }); });
            }
            around([&] { bench::measure_warm(state, tasks, [] { tombolo::checkpoint(); }); });
            all.stop();
        });
    });
    all.expect_all(state, tasks);
}

void yield_tombolo(benchmark::State& state, int tasks) {
    yield_tombolo_inside(state, tasks, [](auto body) { body(); });
}

void yield_tombolo_deadline(benchmark::State& state, int tasks) {
    yield_tombolo_inside(state, tasks, [](auto body) { tombolo::move_on_after(std::chrono::hours{1}, body); });
}

}  // namespace

int main(int argc, char** argv) {
    for (const int tasks : {1, 2, 10, 100, 1000}) {
        const std::string parameter = "/" + std::to_string(tasks);
        bench::add("yield/tombolo" + parameter, yield_tombolo, tasks);
        bench::add("yield/tombolo" + parameter + "/deadline", yield_tombolo_deadline, tasks);
        if (tasks > 1) {  // a single bare context has nowhere to jump to
            bench::add("yield/fcontext" + parameter, yield_fcontext, tasks);
            bench::add("yield/fcontext_plain_stacks" + parameter, yield_fcontext_plain, tasks);
        }
        bench::add("yield/floor" + parameter, yield_floor, tasks);
        bench::add("yield/boost_fiber" + parameter, yield_boost_fiber, tasks);
    }
    return bench::run_subjects(argc, argv);
}
