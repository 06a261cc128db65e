#include "test/fibers/thrown.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// What is being handled and how many exceptions are in flight is a matter of each task, not of the thread (case 15).
namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::testing::shape;
using tb::testing::thrown_by;
using tb::testing::wait_all_tasks_blocked;

constexpr auto give_up = [](const tb::lowlevel::raise_cancel&) { return tb::lowlevel::abort::succeeded; };

std::string text_of_current() { return shape(std::current_exception()); }

// Throws and catches in a loop of its own, with its own errors alive across the checkpoints.
void throw_and_catch(int rounds) {
    const std::exception_ptr handled = std::current_exception();
    for (int i = 0; i < rounds; ++i) {
        try {
            throw std::runtime_error("noise");
        } catch (...) {
            tb::checkpoint();
            EXPECT_EQ(text_of_current(), "noise");
        }
        EXPECT_EQ(std::current_exception(), handled);
        tb::checkpoint();
    }
}

// Runs `body` beside tasks that throw, catch and unwind all the time.
void with_noise(const std::function<void()>& body) {
    tb::open_nursery([&](tb::nursery& n) {
        for (int i = 0; i < 3; ++i) {
            n.start_soon([] { throw_and_catch(20); });
        }
        body();
    });
}

// case 15
TOMBOLO_TEST(exception_state, the_exception_being_handled_survives_switches_to_tasks_that_throw) {
    with_noise([] {
        try {
            throw std::runtime_error("mine");
        } catch (const std::runtime_error& error) {
            const std::exception_ptr before = std::current_exception();
            for (int i = 0; i < 10; ++i) {
                tb::checkpoint();
                EXPECT_EQ(std::current_exception(), before);
                EXPECT_STREQ(error.what(), "mine");
            }
        }
        EXPECT_EQ(std::current_exception(), nullptr);
    });
}

// case 15
TOMBOLO_TEST(exception_state, a_rethrow_after_a_switch_throws_the_tasks_own_exception) {
    with_noise([] {
        const auto error = thrown_by([] {
            try {
                throw std::runtime_error("mine");
            } catch (...) {
                tb::checkpoint();
                tb::checkpoint();
                throw;
            }
        });
        EXPECT_EQ(shape(error), "mine");
    });
}

// case 15
TOMBOLO_TEST(exception_state, nested_handlers_come_back_one_by_one) {
    with_noise([] {
        try {
            throw std::runtime_error("outer");
        } catch (...) {
            tb::checkpoint();
            try {
                throw std::runtime_error("middle");
            } catch (...) {
                tb::checkpoint();
                try {
                    throw std::runtime_error("inner");
                } catch (...) {
                    tb::checkpoint();
                    EXPECT_EQ(text_of_current(), "inner");
                }
                tb::checkpoint();
                EXPECT_EQ(text_of_current(), "middle");
            }
            tb::checkpoint();
            EXPECT_EQ(text_of_current(), "outer");
            EXPECT_EQ(shape(thrown_by([] { throw; })), "outer");
        }
        tb::checkpoint();
        EXPECT_EQ(std::current_exception(), nullptr);
    });
}

// case 15
TOMBOLO_TEST(exception_state, an_error_that_a_wait_throws_inside_a_handler_leaves_the_handled_one_in_place) {
    tb::open_nursery([](tb::nursery& n) {
        tb::task* sleeper = nullptr;
        n.start_soon([&] {
            sleeper = &tb::lowlevel::current_task();
            const auto error = thrown_by([] {
                try {
                    throw std::runtime_error("handled");
                } catch (...) {
                    EXPECT_THROW(tb::lowlevel::park<void>(give_up), std::out_of_range);
                    EXPECT_EQ(text_of_current(), "handled");
                    throw;
                }
            });
            EXPECT_EQ(shape(error), "handled");
        });
        wait_all_tasks_blocked();
        try {
            throw std::logic_error("the waker's own");
        } catch (...) {
            tb::lowlevel::reschedule(*sleeper, std::make_exception_ptr(std::out_of_range("given")));
            wait_all_tasks_blocked();
            EXPECT_EQ(text_of_current(), "the waker's own");
        }
    });
}

// case 15
TOMBOLO_TEST(exception_state, an_exception_thrown_after_a_switch_nests_the_one_being_handled) {
    with_noise([] {
        try {
            try {
                throw std::runtime_error("cause");
            } catch (...) {
                tb::checkpoint();
                std::throw_with_nested(std::runtime_error("effect"));
            }
        } catch (const std::runtime_error& effect) {
            tb::checkpoint();
            EXPECT_STREQ(effect.what(), "effect");
            EXPECT_EQ(shape(thrown_by([&] { std::rethrow_if_nested(effect); })), "cause");
        }
    });
}

// Lets other tasks run in its destructor, and looks at the number of exceptions in flight before and after.
struct yields_when_destroyed {
    explicit yields_when_destroyed(int exceptions) : in_flight(exceptions) {}
    yields_when_destroyed(const yields_when_destroyed&) = delete;
    yields_when_destroyed& operator=(const yields_when_destroyed&) = delete;
    ~yields_when_destroyed() {
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(std::uncaught_exceptions(), in_flight);
            tb::lowlevel::cancel_shielded_checkpoint();
        }
        EXPECT_EQ(std::uncaught_exceptions(), in_flight);
    }
    int in_flight;
};

// case 15
TOMBOLO_TEST(exception_state, the_number_of_exceptions_in_flight_survives_switches_while_unwinding) {
    with_noise([] {
        EXPECT_EQ(std::uncaught_exceptions(), 0);
        { const yields_when_destroyed calm(0); }
        const auto error = thrown_by([] {
            const yields_when_destroyed unwound(1);
            throw std::runtime_error("mine");
        });
        EXPECT_EQ(shape(error), "mine");
        EXPECT_EQ(std::uncaught_exceptions(), 0);
    });
}

// case 15
TOMBOLO_TEST(exception_state, tasks_that_unwind_at_the_same_time_do_not_count_each_others_exceptions) {
    tb::open_nursery([](tb::nursery& n) {
        for (int i = 0; i < 5; ++i) {
            n.start_soon([i] {
                const std::string mine = std::to_string(i);
                const auto error = thrown_by([&] {
                    const yields_when_destroyed outer(1);
                    const yields_when_destroyed inner(1);
                    throw std::runtime_error(mine);
                });
                EXPECT_EQ(shape(error), mine);
                EXPECT_EQ(std::uncaught_exceptions(), 0);
            });
        }
        n.start_soon([] {
            for (int i = 0; i < 10; ++i) {
                EXPECT_EQ(std::uncaught_exceptions(), 0);
                tb::checkpoint();
            }
        });
    });
}

struct throws_and_catches_when_destroyed {
    ~throws_and_catches_when_destroyed() {
        EXPECT_EQ(std::uncaught_exceptions(), 1);
        try {
            const yields_when_destroyed second(2);
            throw std::runtime_error("second");
        } catch (...) {
            EXPECT_EQ(std::uncaught_exceptions(), 1);
            tb::lowlevel::cancel_shielded_checkpoint();
            EXPECT_EQ(text_of_current(), "second");
        }
        EXPECT_EQ(std::uncaught_exceptions(), 1);
    }
};

// case 15
TOMBOLO_TEST(exception_state, an_exception_may_come_and_go_with_switches_while_another_unwinds) {
    with_noise([] {
        const auto error = thrown_by([] {
            const throws_and_catches_when_destroyed guard;
            throw std::runtime_error("first");
        });
        EXPECT_EQ(shape(error), "first");
    });
}

// case 15
TOMBOLO_TEST(exception_state, a_task_starts_with_a_clean_state_whatever_its_spawner_handles) {
    const auto expect_clean = [] {
        EXPECT_EQ(std::current_exception(), nullptr);
        EXPECT_EQ(std::uncaught_exceptions(), 0);
    };
    tb::open_nursery([&](tb::nursery& n) {
        try {
            throw std::runtime_error("the spawner's");
        } catch (...) {
            n.start_soon(expect_clean);
            tb::checkpoint();
            n.start([&](tb::task_status<>& status) {
                expect_clean();
                status.started();
            });
            tb::open_nursery([&](tb::nursery& inner) { inner.start_soon(expect_clean); });
            EXPECT_EQ(text_of_current(), "the spawner's");
        }
    });
}

// case 15
TEST(exception_state, a_run_inside_a_handler_has_a_clean_state_and_leaves_the_handler_its_own) {
    const auto fail = [] {
        EXPECT_EQ(std::current_exception(), nullptr);
        tb::checkpoint();
        throw std::out_of_range("main's");
    };
    try {
        throw std::runtime_error("the caller's");
    } catch (...) {
        EXPECT_THROW(tb::run(fail), std::out_of_range);
        EXPECT_EQ(text_of_current(), "the caller's");
        EXPECT_EQ(shape(thrown_by([] { throw; })), "the caller's");
    }
    EXPECT_EQ(std::current_exception(), nullptr);
}

struct runs_when_destroyed {
    ~runs_when_destroyed() {
        EXPECT_EQ(std::uncaught_exceptions(), 1);
        tb::run([] {
            EXPECT_EQ(std::uncaught_exceptions(), 0);
            tb::checkpoint();
        });
        EXPECT_EQ(std::uncaught_exceptions(), 1);
    }
};

// case 15
TEST(exception_state, a_run_inside_a_destructor_leaves_the_unwinding_alone) {
    const auto error = thrown_by([] {
        const runs_when_destroyed guard;
        throw std::runtime_error("mine");
    });
    EXPECT_EQ(shape(error), "mine");
    EXPECT_EQ(std::uncaught_exceptions(), 0);
}

// case 15
TOMBOLO_TEST(exception_state, a_cancelled_task_may_clean_up_at_length_in_its_handler) {
    tb::open_nursery([](tb::nursery& n) {
        for (int i = 0; i < 4; ++i) {
            n.start_soon([] {
                try {
                    tb::sleep_forever();
                } catch (const tb::cancelled& cancel) {
                    tb::cancel_scope shield{{.shield = true}};
                    shield.run([] { throw_and_catch(5); });
                    EXPECT_EQ(cancel.reason(), "enough");
                    throw;
                }
            });
        }
        wait_all_tasks_blocked();
        n.cancel_scope().cancel("enough");
    });
    EXPECT_EQ(std::current_exception(), nullptr);
}

struct watched_error {
    std::shared_ptr<int> watched;
};

// case 15
TOMBOLO_TEST(exception_state, an_exception_is_freed_when_its_handler_is_left) {
    auto shared = std::make_shared<int>(1);
    const std::weak_ptr<int> watched = shared;
    with_noise([&] {
        try {
            throw watched_error{std::move(shared)};
        } catch (const watched_error&) {
            tb::checkpoint();
            EXPECT_EQ(watched.use_count(), 1);
        }
        EXPECT_TRUE(watched.expired());
    });
}

}  // namespace
