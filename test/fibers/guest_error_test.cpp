#include "fibers/core/run_context.hpp"
#include "fibers/core/run_state.hpp"
#include "test/fibers/guest_runs.hpp"
#include "test/fibers/thrown.hpp"
#include "test/support/descriptors.hpp"
#include "test/support/worker_threads.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/instrument.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/park.hpp>
#include <tombolo/fibers/run_token.hpp>
#include <tombolo/fibers/system_task.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/wait_fd.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

// What goes wrong in a guest, its machinery and its host: before the start it is thrown, afterwards it goes to `done`.
namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

template <class Host>
class guest_errors : public guest_runs<Host> {
protected:
    /// The text of the internal_error that `main` ends with.
    template <class F>
    std::string internal_error_of(F main, const run_options& options = {}) {
        const auto how = this->host_guest(std::move(main), options);
        return text_of<internal_error>([&] { static_cast<void>(how.value()); });
    }
    /// A start that is refused with an Error: nothing is left behind.
    template <class Error>
    std::string refused_start(const run_options& options = {}) {
        const auto text = text_of<Error>([&] {
            lowlevel::start_guest_run(
                [] { ADD_FAILURE() << "main was called"; }, this->host,
                [](auto&&) { ADD_FAILURE() << "done was called"; }, options);
        });
        EXPECT_FALSE(in_run());
        return text;
    }
};
TYPED_TEST_SUITE(guest_errors, every_host);

int poller_of_this_run() { return kernel::this_thread.run->poller.descriptor(); }

class broken_clock : public clock {
public:
    void start() override {
        if (fails_at_start) throw std::runtime_error("no spring");
    }
    time_point now() const override { return {}; }
    duration time_until(time_point) const override {
        if (fails_when_asked) throw std::runtime_error("the hands have come off");
        return 0ns;
    }
    bool fails_at_start = false;
    bool fails_when_asked = false;
};

// case 52, case 57
TYPED_TEST(guest_errors, of_the_start_leave_start_guest_run_itself) {
    broken_clock broken;
    broken.fails_at_start = true;
    EXPECT_THAT(this->template refused_start<internal_error>({.clock = &broken}), HasSubstr("clock"));
    this->template refused_start<invalid_stack_size>({.stack_size = 5});
    this->template refused_start<invalid_duration>({.spin_before_sleep = -1s});
    EXPECT_THAT(this->template refused_start<usage_error>({.detect_deadlock = true}), HasSubstr("detect_deadlock"));
    EXPECT_TRUE(this->host_guest([] {}).has_value()) << "the host must be as good as new";
}

TYPED_TEST(guest_errors, include_empty_functions) {
    const auto ignore = [](auto&&) {};
    EXPECT_THROW(lowlevel::start_guest_run(std::function<void()>(), this->host, ignore), usage_error);
    EXPECT_THROW(lowlevel::start_guest_run([] {}, this->host, std::function<void(outcome<void>)>()), usage_error);
    EXPECT_FALSE(in_run());
}

TYPED_TEST(guest_errors, of_a_host_that_refuses_its_first_task_leave_start_guest_run) {
    this->host.refuse_soon = true;
    EXPECT_EQ(this->template refused_start<std::runtime_error>(), "the queue is full");
    this->host.refuse_soon = false;
    this->host.drop_everything();
    EXPECT_TRUE(this->host_guest([] {}).has_value());
}

// case 57, G13
TYPED_TEST(guest_errors, in_the_clock_become_internal_errors) {
    broken_clock broken;
    const std::string text = this->internal_error_of(
        [&] {
            broken.fails_when_asked = true;
            sleep_for(1s);
        },
        {.clock = &broken});
    EXPECT_THAT(text, HasSubstr("clock"));
}

// case 57, G13
TYPED_TEST(guest_errors, in_the_poller_become_internal_errors) {
    const open_pipe quiet;
    const std::string text = this->internal_error_of([&] {
        open_nursery([&](nursery& n) {
            n.start_soon([&] { lowlevel::wait_readable(quiet.reader.get()); });
            checkpoint();
            checkpoint();
            const open_pipe other;
            ASSERT_GE(::dup2(other.reader.get(), poller_of_this_run()), 0);
            sleep_forever();
        });
    });
    EXPECT_THAT(text, HasSubstr("waiting for events"));
}

// case 57: no longer ready when the guest goes to sleep, so that whoever waits in its stead has to notice.
TYPED_TEST(guest_errors, in_a_poller_that_was_closed_become_internal_errors) {
    const std::string text = this->internal_error_of([&] {
        ASSERT_EQ(::close(poller_of_this_run()), 0);
        sleep_for(5ms);
        sleep_forever();
    });
    EXPECT_THAT(text, HasSubstr("waiting for events"));
}

TYPED_TEST(guest_errors, in_the_poller_leave_time_to_clean_up) {
    bool cleaned_up = false;
    this->internal_error_of([&] {
        ASSERT_EQ(::close(poller_of_this_run()), 0);
        try {
            sleep_for(1ms);
            sleep_forever();
        } catch (const cancelled&) {
            cancel_scope shield{{.shield = true}};
            shield.run([&] {
                sleep_for(3ms);
                cleaned_up = true;
            });
            throw;
        }
    });
    EXPECT_TRUE(cleaned_up);
}

// G13
TYPED_TEST(guest_errors, in_posted_functions_become_internal_errors) {
    const std::string text = this->internal_error_of([&] {
        const lowlevel::run_token token = lowlevel::current_run_token();
        this->in_its_sleep([token] { token.run_sync_soon([] { throw std::runtime_error("dropped the parcel"); }); });
        sleep_forever();
    });
    EXPECT_THAT(text, HasSubstr("dropped the parcel"));
}

TYPED_TEST(guest_errors, in_system_tasks_become_internal_errors) {
    const std::string text = this->internal_error_of([&] {
        this->in_its_sleep(
            [] { lowlevel::spawn_system_task([] { throw std::runtime_error("the lights went out"); }); });
        sleep_forever();
    });
    EXPECT_THAT(text, HasSubstr("the lights went out"));
}

TYPED_TEST(guest_errors, in_abort_functions_become_internal_errors) {
    cancel_scope scope;
    const std::string text = this->internal_error_of([&] {
        this->in_its_sleep([&] { scope.cancel(); });
        static_cast<void>(scope.run([] {
            lowlevel::park(
                [](lowlevel::raise_cancel) -> lowlevel::abort { throw std::runtime_error("cannot let go"); });
        }));
    });
    EXPECT_THAT(text, HasSubstr("cannot let go"));
}

struct instrument_that_throws final : instrument {
    void before_io_wait(duration) override { throw std::runtime_error("out of ink"); }
};

TYPED_TEST(guest_errors, in_instruments_are_reported_and_the_guest_goes_on) {
    instrument_that_throws watcher;
    ::testing::internal::CaptureStderr();
    const auto how = this->host_guest(
        [] {
            sleep_for(1ms);
            return 5;
        },
        {.instruments = {&watcher}});
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("out of ink"));
    EXPECT_EQ(how.value(), 5);
}

// A host that cannot give the guest its next turn: everything is cancelled and runs to its end on the spot.
TYPED_TEST(guest_errors, of_the_host_become_internal_errors) {
    bool cleaned_up = false;
    const std::string text = this->internal_error_of([&] {
        this->host.refuse_soon = true;
        try {
            for (;;) checkpoint();
        } catch (const cancelled&) {
            cancel_scope shield{{.shield = true}};
            shield.run([] { sleep_for(1ms); });
            cleaned_up = true;
            throw;
        }
    });
    EXPECT_THAT(text, HasSubstr("the queue is full"));
    EXPECT_TRUE(cleaned_up);
}

// In a place where nothing can be run to its end: an event that host code sets.
TYPED_TEST(guest_errors, of_the_host_do_not_leave_what_host_code_calls) {
    const auto how = this->host_guest([&] {
        task& self = lowlevel::current_task();
        this->in_its_sleep([&] {
            this->host.refuse_soon = true;
            EXPECT_NO_THROW(lowlevel::reschedule(self));
            this->host.refuse_soon = false;
        });
        lowlevel::park([](lowlevel::raise_cancel) { return lowlevel::abort::failed; });
    });
    EXPECT_TRUE(how.has_value());
}

TYPED_TEST(guest_errors, of_done_leave_through_the_host_s_turn) {
    auto guest = lowlevel::start_guest_run(
        [] {}, this->host, [](outcome<void>) { throw std::out_of_range("nobody wants the result"); });
    EXPECT_THROW(this->host.turn_until_stopped(), std::out_of_range);
    EXPECT_TRUE(guest.ended());
}

TYPED_TEST(guest_errors, include_a_start_inside_a_run_and_inside_a_guest) {
    const auto ignore = [](auto&&) {};
    run([&] { EXPECT_THROW(lowlevel::start_guest_run([] {}, this->host, ignore), nested_run); });
    const auto how = this->host_guest(
        [&] {
            EXPECT_THROW(lowlevel::start_guest_run([] {}, this->host, ignore), nested_run);
            EXPECT_THROW(run([] {}), nested_run);
        },
        {},
        [&](lowlevel::guest_run&) {
            EXPECT_THROW(lowlevel::start_guest_run([] {}, this->host, ignore), nested_run);
            EXPECT_THROW(run([] {}), nested_run);
        });
    EXPECT_TRUE(how.has_value());
}

template <class Host>
class guest_threads : public guest_errors<Host> {};
TYPED_TEST_SUITE(guest_threads, hosts_without_watches);

TYPED_TEST(guest_threads, are_asked_for_at_the_start) {
    const idle_thread_limit none(0ns);
    const no_new_threads none_either;
    // Threads that idle since earlier guests are on their way out.
    for (bool refused = false; !refused;) {
        try {
            lowlevel::start_guest_run([] {}, this->host, [](auto&&) {}).drain();
        } catch (const thread_exhausted&) {
            refused = true;
        }
    }
    EXPECT_FALSE(in_run());
}

struct host_that_calls_at_once final : lowlevel::posting_host {
    void run_soon_threadsafe(unique_function<void()> f) override { f(); }
};
struct host_that_forgets final : lowlevel::posting_host {
    void run_soon_threadsafe(unique_function<void()>) override {}
};

TEST(guest_hosts, that_call_at_once_are_refused) {
    host_that_calls_at_once host;
    const std::string text = text_of<usage_error>([&] { lowlevel::start_guest_run([] {}, host, [](auto&&) {}); });
    EXPECT_THAT(text, HasSubstr("inside one of the functions"));
    EXPECT_FALSE(in_run());
}

TEST(guest_hosts, that_drop_the_callback_at_once_are_refused) {
    host_that_forgets host;
    const std::string text = text_of<usage_error>([&] { lowlevel::start_guest_run([] {}, host, [](auto&&) {}); });
    EXPECT_THAT(text, HasSubstr("dropped"));
    EXPECT_FALSE(in_run());
}

TEST(guest_hosts, that_call_a_function_twice_are_refused) {
    struct repeating final : lowlevel::posting_host {
        void run_soon_threadsafe(unique_function<void()> f) override { functions.push_back(std::move(f)); }
        std::vector<unique_function<void()>> functions;
    } host;
    bool ended = false;
    auto guest = lowlevel::start_guest_run([] { sleep_forever(); }, host, [&](auto&&) { ended = true; });
    auto first = std::move(host.functions.front());
    first();
    EXPECT_THROW(first(), usage_error);
    guest.cancel();
    guest.drain();
    EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace tombolo::testing
