#include "test/fibers/checkpoint_claims.hpp"
#include "test/fibers/toy_scheduler.hpp"

#include <tombolo/fibers/detach.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

// The rows of fibers that leave their run.

namespace tombolo::testing {
namespace {

void ignore_cancel(lowlevel::raise_cancel) {}

/// Has another task's fiber under way while `main` looks at its handle.
template <class Main>
void with_detached(Main main) {
    toy_scheduler scheduler;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            lowlevel::temporarily_detach(ignore_cancel, scheduler.taker());
            lowlevel::suspend_detached();
            lowlevel::reattach();
        });
        wait_all_tasks_blocked();
        main(scheduler);
        scheduler.turn_until_empty();
    });
}

const checkpoint_rows detaching{
    {"fibers/detach.hpp",
     "detached_fiber_resume",
     "never (it switches to the fiber and nowhere else)",
     {never([](call_check& check) {
         with_detached([&](toy_scheduler& scheduler) { check([&] { scheduler.turn(); }); });
     })}},
    {"fibers/detach.hpp", "detached_fiber_finished", "never", {never([](call_check& check) {
         with_detached([&](toy_scheduler& scheduler) { check([&] { EXPECT_FALSE(scheduler.first().finished()); }); });
     })}},
    {"fibers/detach.hpp", "temporarily_detach", "always", {waiting([](call_check& check) {
         toy_scheduler scheduler;
         open_nursery([&](nursery& n) {
             n.start_soon([&] {
                 wait_all_tasks_blocked();
                 scheduler.turn_until_empty();
             });
             check([&] {
                 lowlevel::temporarily_detach(ignore_cancel, scheduler.taker());
                 lowlevel::reattach();
             });
         });
     })}},
};

}  // namespace
}  // namespace tombolo::testing
