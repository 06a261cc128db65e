#include "test/fibers/cancellation.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>

// C-25: what is said on stderr about `cancelled` that cannot get where it belongs.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// What is written to stderr while it lives.
class captured_stderr {
public:
    captured_stderr() { ::testing::internal::CaptureStderr(); }
    captured_stderr(const captured_stderr&) = delete;
    captured_stderr& operator=(const captured_stderr&) = delete;
    ~captured_stderr() {
        if (!taken_) take();
    }
    std::string take() {
        taken_ = true;
        return ::testing::internal::GetCapturedStderr();
    }

private:
    bool taken_ = false;
};

std::size_t occurrences(const std::string& text, const std::string& wanted) {
    std::size_t count = 0;
    for (std::size_t at = text.find(wanted); at != std::string::npos; at = text.find(wanted, at + 1)) ++count;
    return count;
}

template <class Wait>
void swallow(int times, Wait wait) {
    for (int i = 0; i < times; ++i) {
        try {
            wait();
        } catch (...) {}
    }
}

TOMBOLO_TEST(cancel_diagnosis, names_the_task_that_swallows_a_thousand_cancellations_once) {
    captured_stderr captured;
    cancel_scope scope;
    scope.run([&] {
        open_nursery([&](nursery& n) {
            n.start_soon([] { swallow(1500, [] { sleep_forever(); }); }, {.name = "sleeper"});
            n.start_soon([] { swallow(1500, [] { checkpoint(); }); }, {.name = "spinner"});
            n.start_soon([] { swallow(900, [] { checkpoint(); }); }, {.name = "patient"});
            scope.cancel("enough");
        });
    });
    const std::string said = captured.take();
    EXPECT_THAT(said, AllOf(HasSubstr("catch (...)"), HasSubstr("explicit call: enough")));
    EXPECT_EQ(occurrences(said, "\"sleeper\""), 1U) << said;
    EXPECT_EQ(occurrences(said, "\"spinner\""), 1U) << said;
    EXPECT_EQ(occurrences(said, "\"patient\""), 0U) << said;
}

TOMBOLO_TEST(cancel_diagnosis, is_silent_about_thousands_of_timeouts) {
    captured_stderr captured;
    for (int i = 0; i < 2500; ++i) EXPECT_FALSE(move_on_after(1ms, [] { sleep_forever(); }));
    EXPECT_THAT(captured.take(), IsEmpty());
}

TOMBOLO_TEST(cancel_diagnosis, is_silent_about_thousands_of_tasks_that_are_cancelled) {
    captured_stderr captured;
    open_nursery([](nursery& n) {
        for (int i = 0; i < 1500; ++i) n.start_soon([] { sleep_forever(); });
        checkpoint();
        n.cancel_scope().cancel();
    });
    EXPECT_THAT(captured.take(), IsEmpty());
}

/// Does something that blocks when it is destroyed.
template <class Wait>
struct blocking_destructor {
    Wait wait;
    ~blocking_destructor() { wait(); }
};
template <class Wait>
blocking_destructor(Wait) -> blocking_destructor<Wait>;

/// Throws, inside a cancelled scope, through a destructor that blocks.
template <class Wait>
void unwind_through(Wait wait) {
    cancel_scope scope;
    scope.run([&] {
        try {
            const blocking_destructor blocks{wait};
            scope.cancel("time to go");
            throw std::runtime_error("under way");
        } catch (const std::runtime_error&) {}
    });
}

TEST(cancel_diagnosis_death, says_why_the_program_ends_when_a_destructor_is_cancelled_while_unwinding) {
    const char* const text = "\"main\".*destructor.*shield.*time to go";
    EXPECT_DEATH(run([] { unwind_through([] { checkpoint(); }); }), text);
    EXPECT_DEATH(run([] { unwind_through([] { sleep_for(1s); }); }), text);
}

TOMBOLO_TEST(cancel_diagnosis, is_silent_about_a_shielded_body_in_a_destructor_even_when_that_times_out) {
    captured_stderr captured;
    bool timed_out = false;
    unwind_through([&] { timed_out = !move_on_after(1s, [] { sleep_forever(); }, {.shield = true}); });
    unwind_through([&] {
        cancel_scope inner{{.shield = true}};
        inner.run([&] {
            open_nursery([&](nursery& n) {
                n.start_soon([] { sleep_forever(); });
                n.start_soon([&] { inner.cancel(); });
            });
        });
    });
    EXPECT_TRUE(timed_out);
    EXPECT_THAT(captured.take(), IsEmpty());
}

TOMBOLO_TEST(cancel_diagnosis, warns_of_a_destructor_that_catches_the_cancellation_and_goes_on) {
    captured_stderr captured;
    bool caught = false;
    unwind_through([&] { caught = is_cancelled_in([] { checkpoint(); }); });
    EXPECT_TRUE(caught);
    EXPECT_THAT(captured.take(), HasSubstr("unless the destructor catches it"));
}

TOMBOLO_TEST(cancel_diagnosis, is_silent_about_other_tasks_while_one_unwinds) {
    captured_stderr captured;
    open_nursery([](nursery& n) {
        n.start_soon([] { unwind_through([] { move_on_after(1s, [] { sleep_forever(); }, {.shield = true}); }); });
        checkpoint();
        EXPECT_FALSE(move_on_after(1ms, [] { sleep_forever(); }));
    });
    EXPECT_THAT(captured.take(), IsEmpty());
}

}  // namespace
}  // namespace tombolo::testing
