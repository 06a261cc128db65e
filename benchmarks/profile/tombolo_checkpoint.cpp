#include "benchmarks/profile/contender.hpp"
#include "fibers/context/fiber.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>

#include <string>

namespace profile {
namespace {

template <typename Probe>
void run(Probe& probe, int tasks) {
    const auto body = [&probe] { hand_over_until_full(probe, [] { tombolo::checkpoint(); }); };
    tombolo::run([&] {
        tombolo::open_nursery([&](tombolo::nursery& nursery) {
            for (int i = 1; i < tasks; ++i) {
                nursery.start_soon(body);
            }
            body();
        });
    });
}

}  // namespace

contender tombolo_checkpoint() {
    return {
        .name = "tombolo checkpoint",
        .operation = std::string{"tombolo::checkpoint, everything on, on the switch backend \""} +
            tombolo::kernel::switch_backend_name + "\"",
        .sample = run<cycle_probe>,
        .loop = run<loop_probe>};
}

}  // namespace profile
