#include "test/fibers/cancellation.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::lowlevel::abort;
using tb::lowlevel::raise_cancel;
using tb::lowlevel::reschedule;
using tb::lowlevel::wait_ticket;
using tb::testing::is_cancelled_in;
using tb::testing::park_willingly;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// Runs `wait` in a task of its own and, once that is parked, `wake` with the task.
template <class Wait, class Wake>
void meet(Wait&& wait, Wake&& wake) {
    tb::task* waiter = nullptr;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon(
            [&] {
                waiter = &tb::lowlevel::current_task();
                wait();
            },
            {.name = "the waiter"});
        tb::testing::wait_all_tasks_blocked();
        wake(*waiter);
    });
}

// case 8
TOMBOLO_TEST(reschedule, delivers_values_of_any_type) {
    bool finished = false;
    meet([&] { park_willingly(), finished = true; }, [](tb::task& t) { reschedule(t); });
    EXPECT_TRUE(finished);
    meet([&] { EXPECT_EQ(park_willingly<int>(), 42); }, [](tb::task& t) { reschedule(t, tb::outcome<int>(42)); });
    meet(
        [&] { EXPECT_EQ(*park_willingly<std::unique_ptr<int>>(), 7); },
        [](tb::task& t) { reschedule(t, tb::outcome<std::unique_ptr<int>>(std::make_unique<int>(7))); });
    meet(
        [&] { EXPECT_EQ(park_willingly<std::string>(), std::string(100, 'x')); },
        [](tb::task& t) { reschedule(t, tb::outcome<std::string>(std::string(100, 'x'))); });
    meet([&] { park_willingly(); }, [](tb::task& t) { reschedule(t, tb::outcome<>()); });
}

// case 8
TOMBOLO_TEST(reschedule, delivers_errors) {
    const std::exception_ptr error = std::make_exception_ptr(std::out_of_range("delivered"));
    const auto expect_error = [] {
        EXPECT_THAT([] { park_willingly<int>(); }, ThrowsMessage<std::out_of_range>(HasSubstr("delivered")));
    };
    meet(expect_error, [&](tb::task& t) { reschedule(t, error); });
    meet(expect_error, [&](tb::task& t) { reschedule(t, tb::outcome<int>(error)); });
    meet(expect_error, [&](tb::task& t) { reschedule(t, tb::outcome<>(error)); });
}

TOMBOLO_TEST(reschedule, refuses_a_null_error) {
    meet(
        [] { park_willingly(); },
        [](tb::task& t) {
            EXPECT_THAT(
                [&] { reschedule(t, std::exception_ptr()); },
                ThrowsMessage<tb::usage_error>(HasSubstr("reschedule(task)")));
            reschedule(t);
        });
}

TOMBOLO_TEST(reschedule, refuses_a_value_of_another_type_and_leaves_the_task_parked) {
    meet(
        [] { EXPECT_EQ(park_willingly<int>(), 1); },
        [](tb::task& t) {
            const auto expected = ThrowsMessage<tb::invalid_reschedule>(HasSubstr("give reschedule an outcome<T>"));
            EXPECT_THAT([&] { reschedule(t, tb::outcome<long>(1L)); }, expected);
            EXPECT_THAT([&] { reschedule(t); }, expected);
            reschedule(t, tb::outcome<int>(1));
        });
}

// row L5
TOMBOLO_TEST(reschedule, twice_for_one_park_is_an_error_of_the_second_caller) {
    meet(
        [] {
            EXPECT_EQ(park_willingly<int>(), 1);
            tb::sleep_for(1s);
        },
        [](tb::task& t) {
            const auto expected = ThrowsMessage<tb::invalid_reschedule>(HasSubstr("rescheduled already"));
            reschedule(t, tb::outcome<int>(1));
            EXPECT_THAT([&] { reschedule(t, tb::outcome<int>(2)); }, expected);
            EXPECT_THAT([&] { reschedule(t, std::make_exception_ptr(std::out_of_range("late"))); }, expected);
        });
}

TOMBOLO_TEST(reschedule, of_a_task_that_is_not_parked_is_an_error) {
    EXPECT_THAT(
        [] { reschedule(tb::lowlevel::current_task()); },
        ThrowsMessage<tb::invalid_reschedule>(HasSubstr("not parked")));
    tb::open_nursery([](tb::nursery& n) {
        n.start_soon([] {});
        EXPECT_THROW(reschedule(*n.child_tasks().front()), tb::invalid_reschedule) << "a task that has not started";
    });
}

TOMBOLO_TEST(reschedule, of_a_task_that_was_aborted_is_an_error) {
    tb::cancel_scope scope;
    meet(
        [&] { scope.run([] { park_willingly(); }); },
        [&](tb::task& t) {
            scope.cancel();
            EXPECT_THROW(reschedule(t), tb::invalid_reschedule);
        });
    EXPECT_TRUE(scope.cancelled_caught());
}

TOMBOLO_TEST(reschedule, from_another_thread_is_refused) {
    meet(
        [] { park_willingly(); },
        [](tb::task& t) {
            std::thread([&] {
                EXPECT_THAT([&] { reschedule(t); }, ThrowsMessage<tb::wrong_thread>(HasSubstr("run_token")));
            }).join();
            reschedule(t);
        });
}

TOMBOLO_TEST(reschedule, lets_the_caller_run_on) {
    bool woken = false;
    meet(
        [&] { park_willingly(), woken = true; },
        [&](tb::task& t) {
            reschedule(t);
            EXPECT_FALSE(woken);
        });
    EXPECT_TRUE(woken);
}

// row L5
TOMBOLO_TEST(reschedule, makes_the_task_run_in_the_next_pass) {
    constexpr int crowd = 8;
    std::vector<std::string> order;
    meet(
        [&] {
            park_willingly();
            order.push_back("waiter");
        },
        [&](tb::task& t) {
            tb::open_nursery([&](tb::nursery& n) {
                for (int i = 0; i < crowd; ++i)
                    n.start_soon([&] {
                        if (order.empty()) reschedule(t);
                        order.push_back("one of the crowd");
                    });
            });
        });
    ASSERT_EQ(order.size(), crowd + 1U);
    EXPECT_EQ(order.back(), "waiter") << "those who were runnable already come first";
}

// row L6, C-4
TOMBOLO_TEST(reschedule, comes_before_a_cancel_that_is_called_after_it) {
    tb::cancel_scope scope;
    bool value_came = false;
    meet(
        [&] {
            EXPECT_FALSE(scope.run([&] {
                value_came = park_willingly<int>() == 1;
                tb::lowlevel::checkpoint_if_cancelled();
            }));
        },
        [&](tb::task& t) {
            reschedule(t, tb::outcome<int>(1));
            scope.cancel();
        });
    EXPECT_TRUE(value_came);
    EXPECT_TRUE(scope.cancelled_caught()) << "the next cancel point reports it";
}

// row L8
TOMBOLO_TEST(reschedule, clears_the_custom_sleep_data) {
    int data = 0;
    meet(
        [&] {
            void*& slot = tb::lowlevel::current_task().custom_sleep_data();
            EXPECT_EQ(slot, nullptr);
            slot = &data;
            park_willingly();
            EXPECT_EQ(slot, nullptr);
        },
        [&](tb::task& t) {
            EXPECT_EQ(t.custom_sleep_data(), &data) << "it is there for the waker";
            reschedule(t);
            EXPECT_EQ(t.custom_sleep_data(), nullptr);
        });
}

TOMBOLO_TEST(reschedule, by_an_abort_clears_the_custom_sleep_data_after_the_abort_function_saw_it) {
    int data = 0;
    tb::cancel_scope scope;
    scope.run([&] {
        scope.cancel();
        tb::task& self = tb::lowlevel::current_task();
        self.custom_sleep_data() = &data;
        EXPECT_TRUE(is_cancelled_in([&] {
            tb::lowlevel::park([&](const raise_cancel&) {
                EXPECT_EQ(self.custom_sleep_data(), &data);
                return abort::succeeded;
            });
        }));
        EXPECT_EQ(self.custom_sleep_data(), nullptr);
    });
}

TOMBOLO_TEST(wait_ticket, names_the_task_exactly_while_that_park_goes_on) {
    std::optional<wait_ticket> ticket;
    meet(
        [&] {
            ticket = tb::lowlevel::next_wait();
            EXPECT_EQ(ticket->waiter(), nullptr) << "the park has not begun";
            EXPECT_EQ(park_willingly<int>(), 1);
            EXPECT_EQ(ticket->waiter(), nullptr) << "the park is over";
            tb::sleep_for(1s);
        },
        [&](tb::task& t) {
            EXPECT_EQ(ticket->waiter(), &t);
            const wait_ticket copy = *ticket;
            reschedule(copy, tb::outcome<int>(1));
            EXPECT_EQ(ticket->waiter(), nullptr);
            tb::testing::wait_all_tasks_blocked();
            EXPECT_EQ(ticket->waiter(), nullptr) << "a later park of the same task is another one";
        });
}

TOMBOLO_TEST(wait_ticket, makes_a_late_wake_up_an_error_instead_of_waking_a_later_wait) {
    std::optional<wait_ticket> ticket;
    bool second_wait_over = false;
    meet(
        [&] {
            ticket = tb::lowlevel::next_wait();
            park_willingly();
            park_willingly();
            second_wait_over = true;
        },
        [&](tb::task& t) {
            reschedule(*ticket, tb::outcome<>());
            tb::testing::wait_all_tasks_blocked();
            EXPECT_THAT(
                [&] { reschedule(*ticket, tb::outcome<>()); },
                ThrowsMessage<tb::invalid_reschedule>(HasSubstr("ticket.waiter()")));
            tb::testing::wait_all_tasks_blocked();
            EXPECT_FALSE(second_wait_over);
            reschedule(t);
        });
}

TOMBOLO_TEST(wait_ticket, of_an_aborted_park_is_over) {
    std::optional<wait_ticket> ticket;
    tb::cancel_scope scope;
    meet(
        [&] {
            ticket = tb::lowlevel::next_wait();
            scope.run([] { park_willingly(); });
        },
        [&](tb::task& t) {
            EXPECT_EQ(ticket->waiter(), &t);
            scope.cancel();
            EXPECT_EQ(ticket->waiter(), nullptr);
        });
}

TOMBOLO_TEST(wait_ticket, of_a_finished_task_is_over_also_when_a_new_task_has_taken_its_place) {
    std::vector<wait_ticket> stale;
    const auto park_once = [&] {
        stale.push_back(tb::lowlevel::next_wait());
        park_willingly();
    };
    const auto no_stale_ticket_has_a_waiter = [&] {
        return std::ranges::all_of(stale, [](const wait_ticket& t) { return t.waiter() == nullptr; });
    };
    for (int round = 0; round < 3; ++round) {
        tb::open_nursery([&](tb::nursery& n) {
            EXPECT_TRUE(no_stale_ticket_has_a_waiter());
            stale.clear();
            for (int i = 0; i < 10; ++i) n.start_soon(park_once);
            tb::testing::wait_all_tasks_blocked();
            n.cancel_scope().cancel();
        });
        tb::open_nursery([&](tb::nursery& n) {
            for (int i = 0; i < 10; ++i) n.start_soon([] { park_willingly(); });
            tb::testing::wait_all_tasks_blocked();
            EXPECT_EQ(stale.size(), 10U);
            EXPECT_TRUE(no_stale_ticket_has_a_waiter());
            n.cancel_scope().cancel();
        });
    }
}

TOMBOLO_TEST(wait_ticket, made_by_default_names_nobody) {
    EXPECT_EQ(wait_ticket().waiter(), nullptr);
    EXPECT_THROW(reschedule(wait_ticket(), tb::outcome<>()), tb::invalid_reschedule);
}

TEST(wait_ticket, needs_a_task) {
    EXPECT_THAT([] { tb::lowlevel::next_wait(); }, ThrowsMessage<tb::not_in_run>(HasSubstr("next_wait")));
}

}  // namespace
