// One task wakes another, which wakes it in turn: `event_wake/<library>/2`, ns per wake, the switch to the woken task
// included. `tombolo` waits and wakes by park and reschedule, the verbs under every primitive; `tombolo_parking_lot` by
// the parking lot, which returns the woken tasks in a vector.

#include "benchmarks/support/boost_event.hpp"
#include "benchmarks/support/boost_fibers.hpp"
#include "benchmarks/support/floor.hpp"
#include "benchmarks/support/ping_pong.hpp"
#include "benchmarks/support/subject.hpp"

#include <tombolo/fibers/event.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/parking_lot.hpp>
#include <tombolo/fibers/run.hpp>

#include <optional>
#include <utility>

namespace {

constexpr int wakes_per_round = 2;

void event_wake_tombolo(benchmark::State& state) {
    tombolo::run([&] { bench::ping_pong(state); });
}

void event_wake_event(benchmark::State& state) {
    tombolo::run([&] {
        std::optional<tombolo::event> ping(std::in_place);
        std::optional<tombolo::event> pong(std::in_place);
        bool stop = false;
        tombolo::open_nursery([&](tombolo::nursery& nursery) {
            nursery.start_soon([&] {
                for (;;) {
                    ping->wait();
                    if (stop) {
                        return;
                    }
                    ping.emplace();
                    pong->set();
                }
            });
            bench::measure_warm(state, wakes_per_round, [&] {
                ping->set();
                pong->wait();
                pong.emplace();
            });
            stop = true;
            ping->set();
        });
    });
}

void event_wake_parking_lot(benchmark::State& state) {
    tombolo::run([&] {
        tombolo::lowlevel::parking_lot ping;
        tombolo::lowlevel::parking_lot pong;
        bool stop = false;
        tombolo::open_nursery([&](tombolo::nursery& nursery) {
            nursery.start_soon([&] {
                while (!stop) {
                    ping.park();
                    pong.unpark_one();
                }
            });
            while (ping.empty()) {
                tombolo::checkpoint();
            }
            bench::measure_warm(state, wakes_per_round, [&] {
                ping.unpark_one();
                pong.park();
            });
            stop = true;
            ping.unpark_one();
        });
    });
}

void event_wake_boost_fiber(benchmark::State& state) {
    bench::boost_fiber_stacks stacks;
    bench::boost_event ping;
    bench::boost_event pong;
    bool stop = false;
    auto other = bench::post_fiber(stacks, [&] {
        for (;;) {
            ping.wait();
            if (stop) {
                return;
            }
            pong.set();
        }
    });
    bench::measure_warm(state, wakes_per_round, [&] {
        ping.set();
        pong.wait();
    });
    stop = true;
    ping.set();
    other.join();
}

void event_wake_floor(benchmark::State& state) {
    bench::floor floor;
    bench::floor::task& self = floor.running();
    bench::floor::task* other = nullptr;
    bool stop = false;
    floor.spawn([&] {
        other = &floor.running();
        while (!stop) {
            floor.park();
            floor.wake(self);
        }
    });
    floor.yield();
    bench::measure_warm(state, wakes_per_round, [&] {
        floor.wake(*other);
        floor.park();
    });
    stop = true;
    floor.wake(*other);
    floor.park();
    floor.join();
}

}  // namespace

int main(int argc, char** argv) {
    bench::add("event_wake/tombolo/2", event_wake_tombolo);
    bench::add("event_wake/tombolo_event/2", event_wake_event);
    bench::add("event_wake/tombolo_parking_lot/2", event_wake_parking_lot);
    bench::add("event_wake/floor/2", event_wake_floor);
    bench::add("event_wake/boost_fiber/2", event_wake_boost_fiber);
    return bench::run_subjects(argc, argv);
}
