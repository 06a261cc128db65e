#include <tombolo/fibers/with_generator.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void count_up(yielder<int>& to) {
    for (int i = 0;; ++i) to.emit(i);
}

// case 76
TOMBOLO_TEST(with_generator, gives_the_body_what_the_producer_emits_until_it_returns) {
    std::vector<int> got;
    const int count = with_generator<int>(
        [](yielder<int>& to) {
            for (int i = 0; i < 5; ++i) to.emit(i);
        },
        [&](receiver<int>& rx) {
            for (int value : rx) got.push_back(value);
            text_of<end_of_channel>([&] { rx.receive(); });
            return 7;
        });
    EXPECT_THAT(got, ElementsAre(0, 1, 2, 3, 4));
    EXPECT_EQ(count, 7);
}

// case 76
TOMBOLO_TEST(with_generator, advances_the_producer_only_when_a_receive_waits) {
    std::vector<std::string> order;
    with_generator<int>(
        [&](yielder<int>& to) {
            order.emplace_back("begins");
            to.emit(1);
            order.emplace_back("goes on");
            to.emit(2);
            ADD_FAILURE() << "nobody asked for a third value";
        },
        [&](receiver<int>& rx) {
            wait_all_tasks_blocked();
            EXPECT_THAT(order, IsEmpty());
            EXPECT_EQ(rx.try_receive(), std::nullopt);
            wait_all_tasks_blocked();
            EXPECT_THAT(order, IsEmpty()) << "there is nothing in stock, and trying asks for nothing";
            EXPECT_EQ(rx.receive(), 1);
            wait_all_tasks_blocked();
            EXPECT_THAT(order, ElementsAre("begins"));
            EXPECT_EQ(rx.receive(), 2);
            wait_all_tasks_blocked();
            EXPECT_THAT(order, ElementsAre("begins", "goes on"));
        });
}

// case 76
TOMBOLO_TEST(with_generator, cancels_the_producer_and_waits_for_it_when_the_body_ends) {
    bool closed = false;
    with_generator<int>(
        [&](yielder<int>& to) {
            try {
                count_up(to);
            } catch (const cancelled& reason) {
                EXPECT_THAT(reason.reason(), HasSubstr("the body has ended"));
                move_on_after(1h, [] { sleep_for(1s); }, {.shield = true});
                closed = true;
                throw;
            }
        },
        [](receiver<int>& rx) { EXPECT_EQ(rx.receive(), 0); });
    EXPECT_TRUE(closed);
}

TOMBOLO_TEST(with_generator, never_calls_a_producer_that_nobody_asks) {
    with_generator<int>([](yielder<int>&) { ADD_FAILURE() << "called"; }, [](receiver<int>&) { sleep_for(1s); });
    with_generator<int>(
        [](yielder<int>&) { ADD_FAILURE() << "called"; },
        [](receiver<int>& rx) {
            rx.close();
            sleep_for(1s);
        });
}

// case 76
TOMBOLO_TEST(with_generator, cancels_the_producer_when_its_receiver_is_closed) {
    bool closed = false;
    with_generator<int>(
        [&](yielder<int>& to) {
            const scope_exit note([&] { closed = true; });
            count_up(to);
        },
        [&](receiver<int>& rx) {
            EXPECT_EQ(rx.receive(), 0);
            rx.close();
            wait_all_tasks_blocked();
            EXPECT_TRUE(closed) << "while the body goes on";
            sleep_for(1s);
        });
}

TOMBOLO_TEST(with_generator, tells_a_shielded_producer_of_a_closed_receiver_by_an_error) {
    bool told = false;
    with_generator<int>(
        [&](yielder<int>& to) {
            move_on_after(
                1h,
                [&] {
                    EXPECT_THROW(count_up(to), broken_resource);
                    told = true;
                },
                {.shield = true});
        },
        [&](receiver<int>& rx) {
            rx.receive();
            wait_all_tasks_blocked();
            rx.close();
            wait_all_tasks_blocked();
        });
    EXPECT_TRUE(told);
}

// case 76
TOMBOLO_TEST(with_generator, keeps_a_cancellation_inside_the_producer_to_itself) {
    std::vector<int> got;
    with_generator<int>(
        [](yielder<int>& to) {
            cancel_scope scope;
            scope.run([&] {
                to.emit(1);
                scope.cancel("the producer's own affair");
                to.emit(2);
            });
            EXPECT_TRUE(scope.cancelled_caught());
            to.emit(3);
        },
        [&](receiver<int>& rx) {
            for (int value : rx) got.push_back(value);
            checkpoint();
        });
    EXPECT_EQ(got.front(), 1);
    EXPECT_EQ(got.back(), 3);
}

TOMBOLO_TEST(with_generator, lets_a_producer_emit_from_inside_a_timeout_and_a_nursery) {
    std::vector<int> got;
    with_generator<int>(
        [](yielder<int>& to) {
            move_on_after(1s, [&] {
                open_nursery([&](nursery& n) {
                    n.start_soon([] { sleep_forever(); });
                    count_up(to);
                });
            });
            to.emit(-1);
        },
        [&](receiver<int>& rx) {
            for (int value : rx) {
                got.push_back(value);
                sleep_for(400ms);
            }
        });
    EXPECT_THAT(got, ElementsAre(0, 1, 2, -1)) << "the time that the body takes is the producer's, too";
}

TOMBOLO_TEST(with_generator, lets_tasks_of_the_producer_emit) {
    std::vector<int> got;
    with_generator<int>(
        [](yielder<int>& to) {
            open_nursery([&](nursery& n) {
                for (int i = 0; i < 4; ++i) n.start_soon([&to, i] { to.emit(i); });
            });
        },
        [&](receiver<int>& rx) {
            for (int value : rx) got.push_back(value);
        });
    EXPECT_THAT(got, ::testing::UnorderedElementsAre(0, 1, 2, 3));
}

// case 76
TOMBOLO_TEST(with_generator, throws_the_error_of_one_side_bare) {
    const auto of_producer = [] {
        with_generator<int>(
            [](yielder<int>& to) {
                to.emit(1);
                throw std::runtime_error("the producer");
            },
            [](receiver<int>& rx) {
                for (int value : rx) EXPECT_EQ(value, 1);
                ADD_FAILURE() << "the loop looks as if all had gone well";
            });
    };
    EXPECT_EQ(text_of<std::runtime_error>(of_producer), "the producer");
    const auto of_body = [] {
        with_generator<int>(count_up, [](receiver<int>& rx) {
            rx.receive();
            throw std::runtime_error("the body");
        });
    };
    EXPECT_EQ(text_of<std::runtime_error>(of_body), "the body");
}

// case 76
TOMBOLO_TEST(with_generator, throws_the_errors_of_both_sides_as_a_group) {
    const std::exception_ptr error = thrown_by([] {
        with_generator<int>(
            [](yielder<int>& to) {
                try {
                    count_up(to);
                } catch (const cancelled&) {
                    throw std::runtime_error("in clean-up");
                }
            },
            [](receiver<int>& rx) {
                rx.receive();
                throw std::logic_error("the body");
            });
    });
    ASSERT_TRUE(holds<exception_group>(error)) << describe(error);
    EXPECT_THAT(group_in(error).message(), HasSubstr("the generator and the body both failed"));
    EXPECT_THAT(sorted_leaves(error), ElementsAre("in clean-up", "the body"));
}

// case 76
TOMBOLO_TEST(with_generator, keeps_groups_of_one_side_as_they_are) {
    const std::exception_ptr error = thrown_by([] {
        with_generator<int>(count_up, [](receiver<int>&) {
            open_nursery([](nursery& n) { n.start_soon([] { throw std::runtime_error("inner"); }); });
        });
    });
    ASSERT_TRUE(holds<exception_group>(error)) << describe(error);
    EXPECT_EQ(group_in(error).exceptions().size(), 1U);
}

// case 76
TOMBOLO_TEST(with_generator, is_cancelled_as_a_whole) {
    bool producer_told = false;
    cancel_scope scope;
    EXPECT_FALSE(scope.run([&] {
        with_generator<int>(
            [&](yielder<int>& to) {
                const scope_exit note([&] { producer_told = true; });
                to.emit(1);
                sleep_forever();
            },
            [&](receiver<int>& rx) {
                rx.receive();
                scope.cancel();
                rx.receive();
            });
    }));
    EXPECT_TRUE(producer_told);
    EXPECT_TRUE(scope.cancelled_caught());
}

// case 76
TOMBOLO_TEST(with_generator, throws_a_cancellation_from_outside_bare) {
    cancel_scope scope;
    scope.cancel();
    EXPECT_FALSE(scope.run([&] {
        const std::exception_ptr error =
            thrown_by([&] { with_generator<int>(count_up, [](receiver<int>& rx) { rx.receive(); }); });
        EXPECT_TRUE(is_cancelled(error)) << describe(error);
        checkpoint();
    }));
}

TOMBOLO_TEST(with_generator, may_be_nested) {
    std::vector<int> got;
    with_generator<int>(
        [](yielder<int>& to) {
            with_generator<int>(
                [](yielder<int>& inner) {
                    for (int i = 0; i < 3; ++i) inner.emit(i);
                },
                [&](receiver<int>& rx) {
                    for (int value : rx) to.emit(10 * value);
                });
        },
        [&](receiver<int>& rx) {
            for (int value : rx) got.push_back(value);
        });
    EXPECT_THAT(got, ElementsAre(0, 10, 20));
}

TOMBOLO_TEST(with_generator, leaves_a_receiver_that_escapes_with_nothing) {
    std::optional<receiver<std::unique_ptr<int>>> escaped;
    with_generator<std::unique_ptr<int>>(
        [](yielder<std::unique_ptr<int>>& to) {
            for (int i = 0;; ++i) to.emit(std::make_unique<int>(i));
        },
        [&](receiver<std::unique_ptr<int>>& rx) {
            EXPECT_EQ(*rx.receive(), 0);
            escaped = std::move(rx);
            EXPECT_EQ(*escaped->receive(), 1);
        });
    text_of<end_of_channel>([&] { escaped->receive(); });
}

TOMBOLO_TEST(with_generator, is_left_although_the_producer_still_emits_in_a_shield) {
    bool refused = false;
    with_generator<int>(
        [&](yielder<int>& to) {
            try {
                to.emit(1);
            } catch (const cancelled&) {
                cancel_scope shield{{.shield = true}};
                shield.run([&] {
                    try {
                        to.emit(2);
                    } catch (const broken_resource&) {
                        refused = true;
                    }
                });
                throw;
            }
        },
        [](receiver<int>& rx) { rx.receive(); });
    EXPECT_TRUE(refused);
}

TOMBOLO_TEST(with_generator, ends_for_a_body_in_a_shield_when_the_producer_fails) {
    const auto fail = [](yielder<int>&) { throw std::domain_error("dry"); };
    const auto insist = [](receiver<int>& rx) {
        cancel_scope shield{{.shield = true}};
        shield.run([&] {
            for (int value : rx) ADD_FAILURE() << value;
        });
    };
    EXPECT_THROW(with_generator<int>(fail, insist), std::domain_error);
}

TOMBOLO_TEST(with_generator, keeps_a_broken_resource_that_is_not_its_own) {
    const auto break_something = [](yielder<int>& to) {
        try {
            to.emit(1);
        } catch (const cancelled&) {
            throw broken_resource("something else");
        }
    };
    EXPECT_THROW(with_generator<int>(break_something, [](receiver<int>& rx) { rx.receive(); }), broken_resource);
}

}  // namespace
}  // namespace tombolo::testing
