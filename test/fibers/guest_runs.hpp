#pragma once

#include "fibers/core/run_context.hpp"
#include "fibers/core/run_state.hpp"
#include "test/fibers/toy_hosts.hpp"

#include <tombolo/base/outcome.hpp>
#include <tombolo/base/unique_function.hpp>
#include <tombolo/fibers/guest_run.hpp>
#include <tombolo/fibers/run.hpp>

#include <gtest/gtest.h>

#include <optional>
#include <utility>

namespace tombolo::testing {

/// Tests that hold for every kind of host.
template <class Host>
class guest_runs : public ::testing::Test {
protected:
    void TearDown() override { EXPECT_FALSE(in_run()) << "the guest is still installed"; }

    /// Has `host` run `main` as a guest from start to end; `after_start` is called in between.
    template <class F, class AfterStart>
    auto host_guest(F main, const run_options& options, AfterStart after_start) {
        using result = std::invoke_result_t<F&>;
        std::optional<outcome<result>> ended;
        auto done = [&](outcome<result> how) {
            EXPECT_FALSE(ended.has_value()) << "done was called twice";
            ended.emplace(std::move(how));
            host.stop();
        };
        lowlevel::guest_run guest = lowlevel::start_guest_run(std::move(main), host, done, options);
        EXPECT_FALSE(ended.has_value()) << "done was called inside start_guest_run";
        after_start(guest);
        host.turn_until_stopped();
        EXPECT_TRUE(guest.ended());
        return std::move(ended).value();
    }
    template <class F>
    auto host_guest(F main, const run_options& options = {}) {
        return host_guest(std::move(main), options, [](lowlevel::guest_run&) {});
    }

    /// Has the host call `f` in a turn of its own, once the guest waits for events.
    void in_its_sleep(unique_function<void()> f) {
        host.post([this, f = std::move(f)]() mutable {
            const kernel::run_state* run = kernel::this_thread.run;
            ASSERT_NE(run, nullptr) << "the guest has ended and never slept";
            if (run->attends(kernel::attention_bits::dormant))
                f();
            else
                in_its_sleep(std::move(f));
        });
    }

    Host host;
};

using hosts_without_watches = ::testing::Types<posting_loop, bare_posting_loop>;
using every_host = ::testing::Types<posting_loop, bare_posting_loop, watching_loop>;

}  // namespace tombolo::testing
