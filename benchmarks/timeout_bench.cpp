// What a deadline costs that is set and never reached. `timeout/<library>/empty`: around a body that does nothing.
// `.../checkpoint`: around one checkpoint. `.../wait`: around a wait that another task ends, which waits in the same
// way; ns per wait. `timeout/steady_clock/empty` is the clock read without which no relative deadline can be set.

#include "benchmarks/support/boost_event.hpp"
#include "benchmarks/support/boost_fibers.hpp"
#include "benchmarks/support/subject.hpp"
#include "benchmarks/support/wake_slot.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <chrono>
#include <stdexcept>

namespace {

using namespace std::chrono_literals;

constexpr int waits_per_round = 2;

void empty_steady_clock(benchmark::State& state) {
    for ([[maybe_unused]] auto _ : state) {
        auto deadline = std::chrono::steady_clock::now() + 1h;
        benchmark::DoNotOptimize(deadline);
    }
}

void expect_in_time(bool in_time) {
    if (!in_time) {
        throw std::logic_error{"an hour passed inside the timeout benchmark"};
    }
}

void empty_tombolo(benchmark::State& state) {
    tombolo::run([&] {
        for ([[maybe_unused]] auto _ : state) {
            expect_in_time(tombolo::move_on_after(1h, [] { benchmark::ClobberMemory(); }));
        }
    });
}

void checkpoint_tombolo(benchmark::State& state) {
    tombolo::run([&] {
        for ([[maybe_unused]] auto _ : state) {
            expect_in_time(tombolo::move_on_after(1h, [] { tombolo::checkpoint(); }));
        }
    });
}

void wait_tombolo(benchmark::State& state) {
    tombolo::run([&] {
        bench::wake_slot ping;
        bench::wake_slot pong;
        bool stop = false;
        tombolo::open_nursery([&](tombolo::nursery& nursery) {
            nursery.start_soon([&] {
                for (;;) {
                    expect_in_time(tombolo::move_on_after(1h, [&] { ping.wait(); }));
                    if (stop) {
                        return;
                    }
                    pong.set();
                }
            });
            bench::measure_warm(state, waits_per_round, [&] {
                ping.set();
                expect_in_time(tombolo::move_on_after(1h, [&] { pong.wait(); }));
            });
            stop = true;
            ping.set();
        });
    });
}

void wait_boost_fiber(benchmark::State& state) {
    bench::boost_fiber_stacks stacks;
    bench::boost_event ping;
    bench::boost_event pong;
    bool stop = false;
    auto other = bench::post_fiber(stacks, [&] {
        for (;;) {
            expect_in_time(ping.wait_for(1h));
            if (stop) {
                return;
            }
            pong.set();
        }
    });
    bench::measure_warm(state, waits_per_round, [&] {
        ping.set();
        expect_in_time(pong.wait_for(1h));
    });
    stop = true;
    ping.set();
    other.join();
}

}  // namespace

int main(int argc, char** argv) {
    bench::add("timeout/tombolo/empty", empty_tombolo);
    bench::add("timeout/tombolo/checkpoint", checkpoint_tombolo);
    bench::add("timeout/tombolo/wait", wait_tombolo);
    bench::add("timeout/steady_clock/empty", empty_steady_clock);
    bench::add("timeout/boost_fiber/wait", wait_boost_fiber);
    return bench::run_subjects(argc, argv);
}
