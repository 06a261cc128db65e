#include "test/fibers/abort_table.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/event.hpp>
#include <tombolo/fibers/guest_run.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/task_host.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

// The row of task_host::serve: whatever happens to it, its guest has ended, with main's result or cancelled.

namespace tombolo::testing {
namespace {

void serve_a_guest(attempt& make) {
    lowlevel::task_host host;
    event may_end;
    bool finished = false;
    int done_calls = 0;
    lowlevel::guest_run guest = lowlevel::start_guest_run(
        [&] {
            may_end.wait();
            finished = true;
        },
        host,
        [&](outcome<void> how) {
            ++done_calls;
            EXPECT_EQ(how.has_value(), finished);
        });
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            wait_all_tasks_blocked();
            if (!guest.ended()) guest.call([&] { may_end.set(); });
        });
        const bool completed = make([&] { host.serve(guest); });
        EXPECT_TRUE(finished || !completed);
        EXPECT_TRUE(guest.ended());
        EXPECT_EQ(done_calls, 1);
    });
}

const operation_rows guests{
    {"task_host_serve", true, serve_a_guest},
};

}  // namespace
}  // namespace tombolo::testing
