#include "test/fibers/default_sigint.hpp"
#include "test/fibers/guest_runs.hpp"
#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/keyboard_interrupt.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/system_task.hpp>
#include <tombolo/fibers/task_host.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <stdexcept>

// SIGINT in guests: L27, G9, G10.
namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;

void press_ctrl_c() { ASSERT_EQ(std::raise(SIGINT), 0); }

template <class Host>
class guest_interrupts : public guest_runs<Host> {
private:
    default_sigint as_in_a_shell_;
};
TYPED_TEST_SUITE(guest_interrupts, every_host);

// case 58
TYPED_TEST(guest_interrupts, in_main_are_thrown_there) {
    bool thrown_in_main = false;
    const auto how = this->host_guest([&] {
        press_ctrl_c();
        try {
            for (;;) checkpoint();
        } catch (const keyboard_interrupt&) {
            thrown_in_main = true;
            throw;
        }
    });
    EXPECT_TRUE(thrown_in_main);
    EXPECT_TRUE(holds<keyboard_interrupt>(how.error()));
}

// case 58, G10
TYPED_TEST(guest_interrupts, in_host_code_are_thrown_in_main) {
    const auto how = this->host_guest([&] {
        this->in_its_sleep([] { press_ctrl_c(); });
        sleep_forever();
    });
    EXPECT_TRUE(holds<keyboard_interrupt>(how.error()));
}

TYPED_TEST(guest_interrupts, before_main_has_begun_are_thrown_in_main) {
    bool began = false;
    const auto how = this->host_guest(
        [&] {
            began = true;
            sleep_forever();
        },
        {}, [](lowlevel::guest_run&) { press_ctrl_c(); });
    EXPECT_TRUE(began);
    EXPECT_TRUE(holds<keyboard_interrupt>(how.error()));
}

TYPED_TEST(guest_interrupts, in_a_nursery_cancel_the_children) {
    const auto how = this->host_guest([&] {
        open_nursery([&](nursery& n) {
            n.start_soon([] { sleep_forever(); });
            this->in_its_sleep([] { press_ctrl_c(); });
        });
    });
    EXPECT_TRUE(holds<keyboard_interrupt>(group_in(how.error()).exceptions().front()));
}

// case 58, G10: too late for main, but not lost.
TYPED_TEST(guest_interrupts, that_come_too_late_for_main_replace_its_error) {
    const auto how = this->host_guest([] {
        lowlevel::spawn_system_task([] {
            try {
                sleep_forever();
            } catch (const cancelled&) {
                press_ctrl_c();
                throw;
            }
        });
        checkpoint();
        throw std::runtime_error("main's own");
    });
    try {
        how.value();
        ADD_FAILURE() << "no error at all";
    } catch (const keyboard_interrupt& interrupt) {
        EXPECT_EQ(shape(interrupt.context()), "main's own");
    }
}

TYPED_TEST(guest_interrupts, that_main_refuses_come_when_it_allows_them) {
    int progress = 0;
    const auto how = this->host_guest([&] {
        {
            const lowlevel::interrupt_guard guard(lowlevel::interrupt_guard::mode::protect);
            this->in_its_sleep([] { press_ctrl_c(); });
            sleep_for(3ms);
            progress = 1;
        }
        checkpoint();
        progress = 2;
    });
    EXPECT_TRUE(holds<keyboard_interrupt>(how.error()));
    EXPECT_EQ(progress, 1);
}

// G9
TYPED_TEST(guest_interrupts, are_the_host_s_where_it_wants_them) {
    static int seen = 0;
    seen = 0;
    const auto how = this->host_guest(
        [&] {
            std::signal(SIGINT, [](int) { ++seen; });
            press_ctrl_c();
            checkpoint();
            checkpoint();
        },
        {.take_interrupts = false});
    EXPECT_TRUE(how.has_value());
    EXPECT_EQ(seen, 1);
}

// G9
TYPED_TEST(guest_interrupts, are_the_host_s_if_it_had_a_handler) {
    static int seen = 0;
    seen = 0;
    std::signal(SIGINT, [](int) { ++seen; });
    const auto how = this->host_guest([&] {
        press_ctrl_c();
        checkpoint();
        checkpoint();
    });
    EXPECT_TRUE(how.has_value());
    EXPECT_EQ(seen, 1);
}

// G9
TYPED_TEST(guest_interrupts, leave_the_default_action_behind) {
    ASSERT_TRUE(this->host_guest([] { checkpoint(); }).has_value());
    struct sigaction left{};
    ASSERT_EQ(::sigaction(SIGINT, nullptr, &left), 0);
    EXPECT_EQ(left.sa_handler, SIG_DFL);
}

TYPED_TEST(guest_interrupts, while_the_guest_is_drained_are_thrown_in_main) {
    std::optional<outcome<void>> ended;
    auto guest = lowlevel::start_guest_run(
        [] {
            press_ctrl_c();
            sleep_forever();
        },
        this->host, [&](outcome<void> how) { ended.emplace(std::move(how)); });
    guest.drain();
    ASSERT_TRUE(ended.has_value());
    EXPECT_TRUE(holds<keyboard_interrupt>(ended->error()));
}

TYPED_TEST(guest_interrupts, of_an_abandoned_guest_are_given_back) {
    ::testing::internal::CaptureStderr();
    lowlevel::start_guest_run([] { sleep_forever(); }, this->host, [](auto&&) {});
    this->host.drop_everything();
    EXPECT_FALSE(::testing::internal::GetCapturedStderr().empty());
    struct sigaction left{};
    ASSERT_EQ(::sigaction(SIGINT, nullptr, &left), 0);
    EXPECT_EQ(left.sa_handler, SIG_DFL);
}

// The run around a task_host was there first: its main task is interrupted, and takes the guest with it.
TEST(guest_interrupts_in_a_run, belong_to_the_run_around) {
    const default_sigint as_in_a_shell;
    std::optional<outcome<void>> ended;
    EXPECT_TRUE(holds<keyboard_interrupt>(thrown_by([&] {
        run([&] {
            lowlevel::task_host host;
            host.serve(lowlevel::start_guest_run(
                [] {
                    press_ctrl_c();
                    sleep_forever();
                },
                host, [&](outcome<void> how) { ended.emplace(std::move(how)); }));
        });
    })));
    ASSERT_TRUE(ended.has_value());
    EXPECT_TRUE(holds<cancelled>(ended->error()));
}

}  // namespace
}  // namespace tombolo::testing
