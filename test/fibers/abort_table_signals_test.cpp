#include "test/fibers/abort_table.hpp"
#include "test/fibers/dispositions.hpp"

#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/signals.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <csignal>
#include <optional>

// The rows of signals.

namespace tombolo::testing {
namespace {

using os::open_signal_receiver;
using os::signal_receiver;

void receive_while_others_raise(attempt& make, bool raised_before) {
    const counting_handler own(SIGUSR1);
    {
        signal_receiver receiver = open_signal_receiver({SIGUSR1});
        if (raised_before) std::raise(SIGUSR1);
        std::optional<int> got;
        bool completed = false;
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                wait_all_tasks_blocked();
                if (!raised_before) std::raise(SIGUSR1);
            });
            completed = make([&] { got = receiver.receive(); });
            EXPECT_EQ(completed, got.has_value());
        });
        EXPECT_EQ(receiver.pending(), completed ? 0U : 1U) << "received, or still there";
    }
    EXPECT_EQ(handler_of(SIGUSR1), count_call);
}

const operation_rows signals{
    {"signal_receive", true, [](attempt& make) { receive_while_others_raise(make, false); }},
    {"signal_receive_at_once", true, [](attempt& make) { receive_while_others_raise(make, true); }},
};

}  // namespace
}  // namespace tombolo::testing
