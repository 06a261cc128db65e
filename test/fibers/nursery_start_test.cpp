#include "test/fibers/cancellation.hpp"

#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/mock_clock.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// case 41
TOMBOLO_TEST(nursery_start, waits_for_started_and_returns_its_value) {
    bool child_finished = false;
    tb::open_nursery([&](tb::nursery& n) {
        const int port = n.start<int>([&](tb::task_status<int>& status) {
            tb::sleep_for(1s);
            status.started(8080);
            tb::sleep_for(1s);
            child_finished = true;
        });
        EXPECT_EQ(port, 8080);
        EXPECT_EQ(tb::now(), tb::time_point(1s));
        EXPECT_FALSE(child_finished) << "the child goes on in the nursery";
    });
    EXPECT_TRUE(child_finished);
    EXPECT_EQ(tb::now(), tb::time_point(2s));
}

TOMBOLO_TEST(nursery_start, hands_over_void_and_move_only_values) {
    tb::open_nursery([](tb::nursery& n) {
        n.start([](tb::task_status<>& status) { status.started(); });
        const auto owned = n.start<std::unique_ptr<int>>(
            [](tb::task_status<std::unique_ptr<int>>& status) { status.started(std::make_unique<int>(7)); });
        EXPECT_EQ(*owned, 7);
        EXPECT_EQ(n.start<std::string>([](auto& status) { status.started("converted"); }), "converted");
    });
}

TOMBOLO_TEST(nursery_start, is_always_a_checkpoint_and_started_never_is_one) {
    tb::open_nursery([](tb::nursery& n) {
        tb::testing::assert_checkpoints([&] {
            n.start([](tb::task_status<>& status) {
                tb::testing::assert_no_checkpoints([&] { status.started(); });
                tb::sleep_for(1s);
            });
        });
    });
}

TOMBOLO_TEST(nursery_start, moves_the_child_from_a_hidden_nursery_to_this_one) {
    tb::open_nursery([](tb::nursery& n) {
        tb::task* child = nullptr;
        n.start([&](tb::task_status<>& status) {
            child = &tb::lowlevel::current_task();
            EXPECT_NE(child->parent_nursery(), &n);
            EXPECT_EQ(child->eventual_parent_nursery(), &n);
            EXPECT_TRUE(n.child_tasks().empty());
            status.started();
            EXPECT_EQ(child->parent_nursery(), &n);
            EXPECT_EQ(child->eventual_parent_nursery(), nullptr);
            tb::sleep_for(1s);
        });
        EXPECT_EQ(n.child_tasks(), std::vector<tb::task*>{child});
        EXPECT_TRUE(tb::lowlevel::current_task().child_nurseries() == std::vector<tb::nursery*>{&n});
    });
}

// case 41
TOMBOLO_TEST(nursery_start, throws_what_the_child_throws_before_started_and_spares_the_nursery) {
    bool sibling_finished = false;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            tb::sleep_for(5s);
            sibling_finished = true;
        });
        const auto start_and_fail = [&] {
            n.start([](tb::task_status<>&) {
                tb::sleep_for(1s);
                throw std::out_of_range("not ready");
            });
        };
        EXPECT_THAT(start_and_fail, ThrowsMessage<std::out_of_range>(HasSubstr("not ready")));
        EXPECT_FALSE(n.cancel_scope().cancel_called());
    });
    EXPECT_TRUE(sibling_finished);
}

// case 41
TOMBOLO_TEST(nursery_start, says_so_when_the_child_returns_without_started) {
    tb::open_nursery([](tb::nursery& n) {
        EXPECT_THAT(
            [&] { n.start([](tb::task_status<>&) { tb::sleep_for(1s); }); },
            ThrowsMessage<tb::not_started>(HasSubstr("call it when the task is ready")));
        EXPECT_THROW(n.start<int>([](tb::task_status<int>&) {}), tb::not_started);
    });
}

// case 41
TOMBOLO_TEST(nursery_start, refuses_a_second_started_in_the_child) {
    tb::open_nursery([](tb::nursery& n) {
        const int value = n.start<int>([](tb::task_status<int>& status) {
            status.started(1);
            EXPECT_THAT([&] { status.started(2); }, ThrowsMessage<tb::already_started>(HasSubstr("call it once")));
            tb::sleep_for(1s);
            EXPECT_THROW(status.started(3), tb::already_started) << "also when start() has long returned";
        });
        EXPECT_EQ(value, 1);
    });
}

TOMBOLO_TEST(nursery_start, leaves_errors_after_started_to_the_nursery) {
    const auto fail_later = [] {
        tb::open_nursery([](tb::nursery& n) {
            n.start([](tb::task_status<>& status) {
                status.started();
                throw std::out_of_range("later");
            });
        });
    };
    try {
        fail_later();
        ADD_FAILURE() << "the error got lost";
    } catch (const tb::exception_group& group) {
        ASSERT_EQ(group.exceptions().size(), 1U);
        EXPECT_TRUE(tb::holds<std::out_of_range>(group.exceptions().front()));
    }
}

TOMBOLO_TEST(nursery_start, lets_functions_for_start_be_called_directly_with_an_ignored_status) {
    const auto serve = [](tb::task_status<int>& status) {
        status.started(1);
        status.started(2);
        return 3;
    };
    EXPECT_EQ(serve(tb::ignored_task_status<int>()), 3);
    tb::ignored_task_status().started();
}

TOMBOLO_TEST(nursery_start, gives_the_child_the_name_it_was_told) {
    tb::open_nursery([](tb::nursery& n) {
        n.start(
            [](tb::task_status<>& status) {
                EXPECT_EQ(tb::lowlevel::current_task().name(), "server");
                status.started();
            },
            {.name = "server"});
    });
}

// case 43
TOMBOLO_TEST(nursery_start, keeps_a_nursery_without_children_open) {
    tb::nursery* target = nullptr;
    tb::open_nursery([&](tb::nursery& outer) {
        outer.start_soon([&] {
            tb::open_nursery([&](tb::nursery& n) {
                target = &n;
                tb::sleep_for(2s);
            });
            EXPECT_EQ(tb::now(), tb::time_point(10s));
            target = nullptr;
        });
        tb::sleep_for(1s);
        target->start([](tb::task_status<>& status) {
            tb::sleep_for(4s);
            status.started();
            tb::sleep_for(5s);
        });
        EXPECT_EQ(tb::now(), tb::time_point(5s));
        EXPECT_FALSE(target->closed());
    });
    EXPECT_EQ(target, nullptr);
}

// case 43
TOMBOLO_TEST(nursery_start, that_fails_lets_the_waiting_nursery_close) {
    tb::nursery* target = nullptr;
    tb::open_nursery([&](tb::nursery& outer) {
        outer.start_soon([&] {
            tb::open_nursery([&](tb::nursery& n) { target = &n, tb::sleep_for(2s); });
            EXPECT_EQ(tb::now(), tb::time_point(5s));
        });
        tb::sleep_for(1s);
        EXPECT_THROW(target->start([](tb::task_status<>&) { tb::sleep_for(4s); }), tb::not_started);
    });
}

// case 43
TOMBOLO_TEST(nursery_start, works_in_a_nursery_whose_body_has_ended) {
    bool started = false;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            tb::sleep_for(1s);
            n.start([&](tb::task_status<>& status) {
                started = true;
                status.started();
            });
        });
    });
    EXPECT_TRUE(started);
}

// case 43
TOMBOLO_TEST(nursery_start, is_refused_by_a_closed_nursery) {
    bool refused = false;
    tb::nursery* target = nullptr;
    tb::open_nursery([&](tb::nursery& outer) {
        // The target waits one pass before it goes, closed already: there we look at it.
        outer.start_soon([&] {
            while (target == nullptr) tb::checkpoint();
            ASSERT_TRUE(target->closed());
            EXPECT_THAT(
                [&] { target->start([](tb::task_status<>& status) { status.started(); }); },
                ThrowsMessage<tb::nursery_closed>(HasSubstr("still open")));
            EXPECT_THAT([&] { target->start_soon([] {}); }, ThrowsMessage<tb::nursery_closed>(HasSubstr("still open")));
            refused = true;
        });
        // As long as that task may already have run in the pass in question, the next chance is taken.
        for (int i = 0; i < 50 && !refused; ++i) {
            tb::open_nursery([&](tb::nursery& n) { target = &n; });
            target = nullptr;
        }
        EXPECT_TRUE(refused);
    });
}

struct strictness {
    bool run;
    std::optional<bool> nursery;
};

// case 44
TEST(nursery_start, adds_no_group_around_an_early_error_whatever_the_strictness) {
    int unwrapped = 0;
    for (const strictness& s : {strictness{true, {}}, {false, {}}, {true, false}, {false, true}}) {
        const auto main_task = [&] {
            tb::open_nursery(
                [&](tb::nursery& n) {
                    EXPECT_THROW(
                        n.start([](tb::task_status<>&) { throw std::out_of_range("bare"); }), std::out_of_range);
                    ++unwrapped;
                },
                {.strict_groups = s.nursery});
        };
        tb::run(main_task, {.strict_groups = s.run});
    }
    EXPECT_EQ(unwrapped, 4);
}

// case 44
TOMBOLO_TEST(nursery_start, keeps_the_group_that_the_child_itself_throws) {
    tb::open_nursery([](tb::nursery& n) {
        try {
            n.start([](tb::task_status<>&) {
                tb::open_nursery([](tb::nursery& inner) {
                    inner.start_soon([] { throw std::out_of_range("a"); });
                    throw std::out_of_range("b");
                });
            });
            ADD_FAILURE() << "the errors got lost";
        } catch (const tb::exception_group& group) {
            ASSERT_EQ(group.exceptions().size(), 2U);
            for (const std::exception_ptr& error : group.exceptions())
                EXPECT_TRUE(tb::holds<std::out_of_range>(error)) << "one layer, made by the child's own nursery";
        }
    });
}

TOMBOLO_TEST(nursery_start, passes_on_errors_that_are_no_std_exceptions) {
    tb::open_nursery([](tb::nursery& n) { EXPECT_THROW(n.start([](tb::task_status<>&) { throw 42; }), int); });
}

// case 21
TOMBOLO_TEST(nursery_start, reports_misuse_of_the_hidden_nursery_with_all_errors_inside) {
    tb::open_nursery([](tb::nursery& n) {
        try {
            n.start([](tb::task_status<>&) {
                tb::nursery& hidden = *tb::lowlevel::current_task().parent_nursery();
                hidden.start_soon([] { throw std::out_of_range("a"); });
                throw std::out_of_range("b");
            });
            ADD_FAILURE() << "the errors got lost";
        } catch (const tb::internal_error& error) {
            EXPECT_THAT(error.what(), HasSubstr("do not spawn into parent_nursery() before started()"));
            EXPECT_TRUE(tb::holds<tb::exception_group>(error.cause()));
        }
    });
}

TOMBOLO_TEST(nursery_start, ends_when_another_task_calls_started_for_the_child) {
    bool child_finished = false;
    tb::open_nursery([&](tb::nursery& n) {
        const int value = n.start<int>([&](tb::task_status<int>& status) {
            tb::open_nursery([&](tb::nursery& inner) {
                inner.start_soon([&] {
                    tb::sleep_for(1s);
                    status.started(5);
                });
                tb::sleep_for(3s);
            });
            child_finished = true;
        });
        EXPECT_EQ(value, 5);
        EXPECT_EQ(tb::now(), tb::time_point(1s));
    });
    EXPECT_TRUE(child_finished);
}

TOMBOLO_TEST(nursery_start, ends_when_a_task_outside_calls_started_for_the_sleeping_child) {
    tb::task_status<>* handed_out = nullptr;
    bool child_cancelled = false;
    tb::open_nursery([&](tb::nursery& outer) {
        outer.start_soon([&] {
            tb::sleep_for(2s);
            handed_out->started();
        });
        tb::open_nursery([&](tb::nursery& n) {
            n.start([&](tb::task_status<>& status) {
                handed_out = &status;
                child_cancelled = tb::testing::is_cancelled_in([] { tb::sleep_forever(); });
            });
            EXPECT_EQ(tb::now(), tb::time_point(2s));
            EXPECT_EQ(n.child_tasks().size(), 1U);
            n.cancel_scope().cancel();
        });
        EXPECT_TRUE(child_cancelled) << "the sleeper belongs to the nursery now";
    });
}

TOMBOLO_TEST(nursery_start, works_from_a_task_that_is_not_a_child_of_the_nursery) {
    tb::open_nursery([](tb::nursery& target) {
        tb::open_nursery([&](tb::nursery& other) {
            for (int i = 0; i < 20; ++i)
                other.start_soon([&, i] {
                    const int value = target.start<int>([i](tb::task_status<int>& status) {
                        tb::sleep_for(1ms * (20 - i));
                        status.started(i);
                        tb::sleep_for(1s);
                    });
                    EXPECT_EQ(value, i);
                });
        });
        EXPECT_EQ(target.child_tasks().size(), 20U);
    });
}

}  // namespace
