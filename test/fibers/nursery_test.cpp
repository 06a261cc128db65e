#include <tombolo/fibers/nursery.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::testing::text_of;
using tb::testing::thrown_by;
using tb::testing::wait_all_tasks_blocked;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// N3
static_assert(!std::is_default_constructible_v<tb::nursery> && !std::is_destructible_v<tb::nursery>);
static_assert(!std::is_copy_constructible_v<tb::nursery> && !std::is_copy_assignable_v<tb::nursery>);
static_assert(!std::is_move_constructible_v<tb::nursery> && !std::is_move_assignable_v<tb::nursery>);

// R7
template <class F>
concept startable_soon = requires(tb::nursery& n, F f) { n.start_soon(f); };
static_assert(startable_soon<void (*)()> && startable_soon<int (*)()>);
static_assert(!startable_soon<int> && !startable_soon<void (*)(int)>);

struct checkpoints_passed {
    std::uint64_t cancel_points;
    std::uint64_t schedule_points;
};

checkpoints_passed checkpoints_so_far() {
    const auto counts = tb::lowlevel::current_checkpoint_counts();
    return {counts.cancel_points, counts.schedule_points};
}

// N1
TOMBOLO_TEST(nursery, is_entered_without_a_checkpoint) {
    const auto before = checkpoints_so_far();
    tb::open_nursery([&](tb::nursery&) {
        EXPECT_EQ(checkpoints_so_far().cancel_points, before.cancel_points);
        EXPECT_EQ(checkpoints_so_far().schedule_points, before.schedule_points);
    });
}

// case 19
TOMBOLO_TEST(nursery, lets_others_run_at_its_exit_and_ignores_cancellation_there) {
    const auto expect_uncancelled_exit = [](auto&& body) {
        const auto before = checkpoints_so_far();
        tb::cancel_scope scope;
        scope.cancel();
        EXPECT_TRUE(scope.run([&] { tb::open_nursery(body); }));
        EXPECT_FALSE(scope.cancelled_caught());
        EXPECT_GT(checkpoints_so_far().schedule_points, before.schedule_points);
    };
    expect_uncancelled_exit([](tb::nursery&) {});
    expect_uncancelled_exit([](tb::nursery& n) { n.start_soon([] {}); });
}

// case 19
TOMBOLO_TEST(nursery, does_not_lose_the_error_of_its_body_in_a_cancelled_scope) {
    tb::cancel_scope scope;
    scope.cancel();
    const auto body = [](tb::nursery&) { throw std::runtime_error("body"); };
    const auto error = thrown_by([&] { scope.run([&] { tb::open_nursery(body); }); });
    EXPECT_EQ(tb::testing::shape(error), "exceptions from a nursery[body]");
    EXPECT_FALSE(scope.cancelled_caught());
}

// N2
TOMBOLO_TEST(nursery, leaves_a_cancellation_to_the_next_checkpoint) {
    tb::cancel_scope scope;
    bool left = false;
    scope.run([&] {
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([&] {
                wait_all_tasks_blocked();
                scope.cancel();
            });
        });
        left = true;
        EXPECT_THROW(tb::checkpoint(), tb::cancelled);
    });
    EXPECT_TRUE(left);
}

// N8
TOMBOLO_TEST(nursery, returns_the_value_of_its_body_after_all_children_have_ended) {
    int ended = 0;
    int target = 0;
    const auto start_children = [&](tb::nursery& n) {
        for (int i = 0; i < 3; ++i) {
            n.start_soon([&ended, i] {
                tb::sleep_for(i * 1s);
                ++ended;
            });
        }
    };
    const std::unique_ptr<int> value = tb::open_nursery([&](tb::nursery& n) {
        start_children(n);
        return std::make_unique<int>(42);
    });
    EXPECT_EQ(*value, 42);
    EXPECT_EQ(ended, 3);
    int& reference = tb::open_nursery([&](tb::nursery& n) -> int& {
        start_children(n);
        return target;
    });
    EXPECT_EQ(&reference, &target);
    EXPECT_EQ(ended, 6);
}

TOMBOLO_TEST(nursery, says_that_there_is_no_value_when_its_own_scope_ended_the_body) {
    const auto text = text_of<tb::body_cancelled>([] {
        tb::open_nursery([](tb::nursery& n) {
            n.cancel_scope().cancel();
            tb::checkpoint();
            return 42;
        });
    });
    EXPECT_THAT(text, HasSubstr("std::optional"));
    bool resumed = false;
    tb::open_nursery([&](tb::nursery& n) {
        n.cancel_scope().cancel();
        tb::checkpoint();
        resumed = true;
    });
    EXPECT_FALSE(resumed);
}

// N4
TOMBOLO_TEST(nursery, runs_a_child_not_before_the_next_checkpoint) {
    bool ran = false;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] { ran = true; });
        EXPECT_FALSE(ran);
    });
    EXPECT_TRUE(ran);
}

// N4
TOMBOLO_TEST(nursery, takes_children_from_any_task_while_its_own_task_waits_in_the_exit) {
    std::vector<std::string> ran;
    tb::nursery* target = nullptr;
    tb::open_nursery([&](tb::nursery& outer) {
        outer.start_soon([&] {
            wait_all_tasks_blocked();
            target->start_soon([&] {
                target->start_soon([&] { ran.emplace_back("grandchild"); });
                ran.emplace_back("child");
            });
        });
        tb::open_nursery([&](tb::nursery& n) {
            target = &n;
            n.start_soon([] { tb::sleep_for(1s); });
        });
        EXPECT_THAT(ran, ElementsAre("child", "grandchild"));
    });
}

// case 7
TOMBOLO_TEST(nursery, refuses_tasks_once_it_is_closed) {
    tb::nursery* inner = nullptr;
    bool looked = false;
    tb::task& opener = tb::lowlevel::current_task();
    const auto look = [&] {
        const auto start_soon = [&] { inner->start_soon([] { ADD_FAILURE() << "the child ran"; }); };
        EXPECT_THAT(text_of<tb::nursery_closed>(start_soon), HasSubstr("spawn earlier"));
        const auto start = [&] { inner->start([](tb::task_status<>&) { ADD_FAILURE() << "the child ran"; }); };
        EXPECT_THAT(text_of<tb::nursery_closed>(start), HasSubstr("start earlier"));
        // N22, case 18
        EXPECT_EQ(&inner->parent_task(), &opener);
        EXPECT_THAT(inner->child_tasks(), ElementsAre());
        looked = true;
    };
    tb::open_nursery([&](tb::nursery& outer) {
        outer.start_soon([&] {
            while (!looked) {
                if (inner != nullptr && inner->closed()) {
                    look();
                }
                tb::checkpoint();
            }
        });
        // A closed nursery is there for others to see while its task lets them run in the exit; whose turn comes first
        // then is left to chance.
        for (int attempt = 0; !looked && attempt < 1'000; ++attempt) {
            tb::open_nursery([&](tb::nursery& n) {
                inner = &n;
                EXPECT_FALSE(n.closed());
            });
            inner = nullptr;
        }
        EXPECT_TRUE(looked);
        looked = true;
    });
}

// N5
TOMBOLO_TEST(nursery, gives_a_child_its_own_scopes_and_not_those_of_the_spawner) {
    const tb::time_point deadline = tb::now() + 5s;
    bool ran_to_the_end = false;
    tb::move_on_at(deadline, [&] {
        tb::open_nursery([&](tb::nursery& n) {
            tb::cancel_scope spawners{{.deadline = deadline - 1s, .shield = true}};
            spawners.cancel();
            spawners.run([&] {
                n.start_soon([&] {
                    tb::checkpoint();
                    EXPECT_EQ(tb::current_effective_deadline(), deadline);
                    ran_to_the_end = true;
                });
            });
        });
    });
    EXPECT_TRUE(ran_to_the_end);
}

// N6
TOMBOLO_TEST(nursery, starts_a_child_even_when_it_is_cancelled) {
    bool started = false;
    bool passed = false;
    tb::open_nursery([&](tb::nursery& n) {
        n.cancel_scope().cancel();
        n.start_soon([&] {
            started = true;
            tb::checkpoint();
            passed = true;
        });
    });
    EXPECT_TRUE(started);
    EXPECT_FALSE(passed);
}

// N22
TOMBOLO_TEST(nursery, knows_its_children_and_its_parent) {
    tb::open_nursery([&](tb::nursery& n) {
        EXPECT_EQ(&n.parent_task(), &tb::lowlevel::current_task());
        EXPECT_THAT(n.child_tasks(), ElementsAre());
        n.start_soon([] { tb::sleep_for(1s); }, {.name = "one"});
        n.start_soon([] { tb::sleep_for(2s); }, {.name = "two"});
        std::vector<std::string> names;
        for (const tb::task* child : n.child_tasks()) {
            EXPECT_EQ(child->parent_nursery(), &n);
            names.push_back(child->name());
        }
        EXPECT_THAT(names, ::testing::UnorderedElementsAre("one", "two"));
        tb::sleep_for(1500ms);
        ASSERT_EQ(n.child_tasks().size(), 1U);
        EXPECT_EQ(n.child_tasks().front()->name(), "two");
    });
}

struct alignas(256) over_aligned {
    bool* called;
    void operator()() const { *called = reinterpret_cast<std::uintptr_t>(this) % 256 == 0; }
};

TOMBOLO_TEST(nursery, takes_callables_of_every_size_alignment_and_ownership) {
    std::array<std::byte, 10'000> bytes{};
    bytes.back() = std::byte{7};
    int big = 0;
    int owned = 0;
    bool aligned = false;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([bytes, &big] { big = static_cast<int>(bytes.back()); });
        n.start_soon([number = std::make_unique<int>(8), &owned] { owned = *number; });
        n.start_soon(over_aligned{&aligned});
    });
    EXPECT_EQ(big, 7);
    EXPECT_EQ(owned, 8);
    EXPECT_TRUE(aligned);
}

struct throws_when_copied {
    throws_when_copied() = default;
    throws_when_copied(const throws_when_copied&) { throw std::runtime_error("no copies"); }
    void operator()() const { ADD_FAILURE() << "the child ran"; }
};

TOMBOLO_TEST(nursery, spawns_nothing_when_the_callable_cannot_be_stored_or_the_options_are_bad) {
    tb::open_nursery([&](tb::nursery& n) {
        const throws_when_copied original;
        EXPECT_EQ(tb::testing::shape(thrown_by([&] { n.start_soon(original); })), "no copies");
        const auto never = [] { ADD_FAILURE() << "the child ran"; };
        for (const std::size_t size : {std::size_t{4096}, std::size_t{100'001}}) {
            const auto spawn = [&] { n.start_soon(never, {.stack_size = size}); };
            EXPECT_THAT(text_of<tb::invalid_stack_size>(spawn), HasSubstr(std::to_string(size)));
        }
        EXPECT_THAT(n.child_tasks(), ElementsAre());
        EXPECT_FALSE(n.closed());
    });
}

TOMBOLO_TEST(nursery, destroys_what_its_children_own_before_it_is_left) {
    std::weak_ptr<int> captured;
    std::weak_ptr<int> local;
    tb::open_nursery([&](tb::nursery& n) {
        auto shared = std::make_shared<int>(1);
        captured = shared;
        n.start_soon([&local, keep = std::move(shared)] {
            const auto on_the_stack = std::make_shared<int>(2);
            local = on_the_stack;
            tb::sleep_forever();
        });
        wait_all_tasks_blocked();
        EXPECT_FALSE(captured.expired());
        EXPECT_FALSE(local.expired());
        n.cancel_scope().cancel();
    });
    EXPECT_TRUE(captured.expired());
    EXPECT_TRUE(local.expired());
}

struct spawns_when_destroyed {
    spawns_when_destroyed(tb::nursery& n, bool& spawned_ran) : target(&n), ran(&spawned_ran) {}
    spawns_when_destroyed(spawns_when_destroyed&& other) noexcept
        : target(std::exchange(other.target, nullptr)), ran(other.ran) {}
    ~spawns_when_destroyed() {
        if (target != nullptr) {
            target->start_soon([ran = ran] { *ran = true; });
        }
    }
    void operator()() const { tb::checkpoint(); }

    tb::nursery* target;
    bool* ran;
};

TOMBOLO_TEST(nursery, waits_for_a_task_that_a_dying_child_starts_in_a_destructor) {
    bool ran = false;
    tb::open_nursery([&](tb::nursery& n) { n.start_soon(spawns_when_destroyed(n, ran)); });
    EXPECT_TRUE(ran);
}

TOMBOLO_TEST(nursery, waits_for_thousands_of_children) {
    int ended = 0;
    tb::open_nursery([&](tb::nursery& n) {
        for (int i = 0; i < 5'000; ++i) {
            n.start_soon([&] {
                tb::checkpoint();
                ++ended;
            });
        }
    });
    EXPECT_EQ(ended, 5'000);
}

TOMBOLO_TEST(nursery, gives_a_child_the_stack_that_it_asks_for) {
    tb::open_nursery([](tb::nursery& n) {
        n.start_soon(
            [] { EXPECT_EQ(tb::lowlevel::current_task().stack_size(), std::size_t{1} << 20); },
            {.stack_size = 1 << 20});
    });
}

}  // namespace
