#pragma once

#include "benchmarks/support/subject.hpp"
#include "benchmarks/support/wake_slot.hpp"

#include <tombolo/fibers/nursery.hpp>

namespace bench {

/// Two tasks of the current run wake each other through wake_slots; ns per wake, the switch included.
inline void ping_pong(benchmark::State& state) {
    constexpr int wakes_per_round = 2;
    wake_slot ping;
    wake_slot pong;
    bool stop = false;
    tombolo::open_nursery([&](tombolo::nursery& nursery) {
        nursery.start_soon([&] {
            for (;;) {
                ping.wait();
                if (stop) {
                    return;
                }
                pong.set();
            }
        });
        measure_warm(state, wakes_per_round, [&] {
            ping.set();
            pong.wait();
        });
        stop = true;
        ping.set();
    });
}

}  // namespace bench
