#include "test/fibers/guest_runs.hpp"
#include "test/fibers/thrown.hpp"
#include "test/support/descriptors.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/system_task.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/wait_fd.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// guest_run::cancel and guest_run::drain: the orderly ways to end a guest early.
namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;

template <class Host>
class drained_guests : public guest_runs<Host> {
protected:
    template <class F>
    lowlevel::guest_run start(F main) {
        return lowlevel::start_guest_run(std::move(main), this->host, [this](outcome<void> how) {
            EXPECT_FALSE(ended.has_value()) << "done was called twice";
            EXPECT_FALSE(in_run());
            ended.emplace(std::move(how));
            this->host.stop();
        });
    }
    void turn_until_it_sleeps() {
        this->in_its_sleep([this] { this->host.stop(); });
        this->host.turn_until_stopped();
        EXPECT_FALSE(ended.has_value());
    }
    void expect_cancelled(const std::string& reason) {
        ASSERT_TRUE(ended.has_value());
        try {
            ended->value();
            ADD_FAILURE() << "main was not cancelled";
        } catch (const cancelled& error) {
            EXPECT_EQ(error.reason(), reason);
            EXPECT_EQ(error.source(), cancel_source::explicit_call);
        }
    }

    std::optional<outcome<void>> ended;
};
TYPED_TEST_SUITE(drained_guests, every_host);

TYPED_TEST(drained_guests, are_cancelled_with_everything_that_they_started) {
    int cleaned_up = 0;
    auto guest = this->start([&] {
        open_nursery([&](nursery& n) {
            for (int i = 0; i < 3; ++i) {
                n.start_soon([&] {
                    try {
                        sleep_forever();
                    } catch (const cancelled&) {
                        ++cleaned_up;
                        throw;
                    }
                });
            }
            sleep_forever();
        });
    });
    this->turn_until_it_sleeps();
    guest.cancel("closing time");
    EXPECT_FALSE(this->ended.has_value()) << "cancel only asks";
    guest.drain();
    EXPECT_EQ(cleaned_up, 3);
    EXPECT_TRUE(guest.ended());
    this->expect_cancelled("closing time");
}

TYPED_TEST(drained_guests, need_not_be_drained_when_the_host_goes_on) {
    auto guest = this->start([] { sleep_forever(); });
    this->turn_until_it_sleeps();
    guest.cancel("later");
    guest.cancel("again");
    this->host.turn_until_stopped();
    this->expect_cancelled("later");
}

TYPED_TEST(drained_guests, that_were_cancelled_before_main_began_have_main_begin) {
    bool began = false;
    auto guest = this->start([&] {
        began = true;
        checkpoint();
        ADD_FAILURE() << "the checkpoint did not see the cancellation";
    });
    guest.cancel("changed my mind");
    guest.drain();
    EXPECT_TRUE(began);
    this->expect_cancelled("changed my mind");
}

TYPED_TEST(drained_guests, go_on_where_they_are_shielded) {
    bool finished = false;
    auto guest = this->start([&] {
        cancel_scope shield{{.shield = true}};
        shield.run([&] {
            const open_pipe pipe;
            open_nursery([&](nursery& n) {
                n.start_soon([&] {
                    sleep_for(3ms);
                    put(pipe.writer, "x");
                });
                lowlevel::wait_readable(pipe.reader.get());
            });
            finished = true;
        });
        checkpoint();
    });
    this->turn_until_it_sleeps();
    guest.cancel();
    guest.drain();
    EXPECT_TRUE(finished);
    this->expect_cancelled("");
}

TYPED_TEST(drained_guests, need_not_be_cancelled) {
    auto guest = this->start([] {
        for (int i = 0; i < 3; ++i) sleep_for(1ms);
    });
    guest.drain();
    ASSERT_TRUE(this->ended.has_value());
    EXPECT_TRUE(this->ended->has_value());
}

TYPED_TEST(drained_guests, keep_a_result_that_main_has_in_spite_of_the_cancellation) {
    auto guest = this->start([] {
        try {
            sleep_forever();
        } catch (const cancelled&) {  // swallowed, which is main's own business
        }
    });
    this->turn_until_it_sleeps();
    guest.cancel();
    guest.drain();
    ASSERT_TRUE(this->ended.has_value());
    EXPECT_TRUE(this->ended->has_value());
}

TYPED_TEST(drained_guests, give_errors_precedence_over_the_cancellation) {
    auto guest = this->start([] {
        open_nursery([](nursery& n) {
            n.start_soon([] {
                try {
                    sleep_forever();
                } catch (const cancelled&) {
                    throw std::runtime_error("the door is stuck");
                }
            });
            sleep_forever();
        });
    });
    this->turn_until_it_sleeps();
    guest.cancel();
    guest.drain();
    ASSERT_TRUE(this->ended.has_value());
    const base_exception_group& group = group_in(this->ended->error());
    EXPECT_EQ(sorted_leaves(this->ended->error()), (std::vector<std::string>{"the door is stuck"}));
    EXPECT_EQ(group.exceptions().size(), 1U);
}

TYPED_TEST(drained_guests, wait_for_their_system_tasks) {
    bool system_task_ended = false;
    auto guest = this->start([&] {
        lowlevel::spawn_system_task([&] {
            try {
                sleep_forever();
            } catch (const cancelled&) {
                cancel_scope shield{{.shield = true}};
                shield.run([] { sleep_for(2ms); });
                system_task_ended = true;
                throw;
            }
        });
        sleep_forever();
    });
    this->turn_until_it_sleeps();
    guest.cancel();
    guest.drain();
    EXPECT_TRUE(system_task_ended);
    EXPECT_TRUE(this->ended.has_value());
}

TYPED_TEST(drained_guests, call_what_was_posted) {
    bool called = false;
    auto guest = this->start([] { sleep_forever(); });
    this->turn_until_it_sleeps();
    guest.token().run_sync_soon([&] { called = true; });
    guest.cancel();
    guest.drain();
    EXPECT_TRUE(called);
    EXPECT_THROW(guest.token().run_sync_soon([] {}), run_finished);
}

TYPED_TEST(drained_guests, cannot_be_drained_from_inside) {
    lowlevel::guest_run* handle = nullptr;
    auto guest = this->start([&] {
        EXPECT_THROW(handle->drain(), nested_run);
        sleep_for(1ms);
    });
    handle = &guest;
    this->host.turn_until_stopped();
    EXPECT_TRUE(this->ended->has_value());
}

TYPED_TEST(drained_guests, can_be_cancelled_from_inside) {
    lowlevel::guest_run* handle = nullptr;
    auto guest = this->start([&] {
        handle->cancel("by itself");
        sleep_forever();
    });
    handle = &guest;
    this->host.turn_until_stopped();
    this->expect_cancelled("by itself");
}

TYPED_TEST(drained_guests, cannot_be_drained_when_they_have_ended) {
    auto guest = this->start([] {});
    this->host.turn_until_stopped();
    EXPECT_THROW(guest.drain(), run_finished);
    EXPECT_THROW(guest.call([] {}), run_finished);
    EXPECT_NO_THROW(guest.cancel());
}

// A host that still has a callback of a guest that was drained calls it, and nothing happens.
TYPED_TEST(drained_guests, ignore_callbacks_that_come_late) {
    for (const bool asleep : {false, true, false}) {
        this->ended.reset();
        auto guest = this->start([] { sleep_forever(); });
        if (asleep) this->turn_until_it_sleeps();
        guest.cancel();
        guest.drain();
        EXPECT_TRUE(this->ended.has_value());
        this->host.take_back_stop();
    }
    this->ended.reset();
    auto last = this->start([] { sleep_for(1ms); });
    this->host.turn_until_stopped();
    EXPECT_TRUE(last.ended());
    EXPECT_TRUE(this->ended->has_value());
}

// The thread that waits for a posting host's guest is called off first.
TYPED_TEST(drained_guests, trouble_their_host_no_more) {
    auto guest = this->start([] {
        sleep_for(10ms);
        sleep_for(5ms);
    });
    this->turn_until_it_sleeps();
    const int events = this->host.events();
    const int hurries = this->host.hurries();
    guest.drain();
    EXPECT_EQ(this->host.events(), events);
    EXPECT_EQ(this->host.hurries(), hurries);
    EXPECT_TRUE(this->ended.has_value());
}

TYPED_TEST(drained_guests, may_be_drained_in_a_turn_of_the_host) {
    lowlevel::guest_run* handle = nullptr;
    auto guest = this->start([] { sleep_forever(); });
    handle = &guest;
    this->in_its_sleep([&] {
        handle->cancel();
        handle->drain();
        EXPECT_FALSE(in_run());
    });
    this->host.turn_until_stopped();
    EXPECT_TRUE(guest.ended());
}

}  // namespace
}  // namespace tombolo::testing
