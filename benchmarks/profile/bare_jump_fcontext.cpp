#include "benchmarks/profile/contender.hpp"
#include "benchmarks/support/fcontext_ring.hpp"

#include <cstddef>

namespace profile {
namespace {

template <typename Probe>
void run(Probe& probe, int tasks) {
    // The others never end: the ring abandons them where they stand.
    const auto others = [](bench::fcontext_ring& ring, void* data) {
        auto& shared = *static_cast<Probe*>(data);
        for (;;) {
            shared.leaving();
            ring.yield();
            shared.arrived();
        }
    };
    bench::fcontext_ring ring{static_cast<std::size_t>(tasks), others, &probe};
    hand_over_until_full(probe, [&ring] { ring.yield(); });
}

}  // namespace

contender bare_jump_fcontext() {
    return {
        .name = "jump_fcontext",
        .operation = "a bare round robin over jump_fcontext of Boost.Context: the switch without a scheduler",
        .sample = run<cycle_probe>,
        .loop = run<loop_probe>};
}

}  // namespace profile
