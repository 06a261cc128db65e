#include "test/fibers/cancellation.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gtest/gtest.h>

#include <chrono>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::testing::is_cancelled_in;

bool checkpoint_is_cancelled() {
    return is_cancelled_in([] { tb::checkpoint(); });
}

// case 26
TOMBOLO_TEST(cancel_shield, hides_the_cancellation_around_it_while_it_is_on) {
    tb::cancel_scope outer;
    tb::cancel_scope inner;
    outer.run([&] {
        inner.run([&] {
            outer.cancel();
            EXPECT_TRUE(checkpoint_is_cancelled());
            EXPECT_FALSE(inner.shield());
            inner.shield(true);
            EXPECT_TRUE(inner.shield());
            EXPECT_FALSE(checkpoint_is_cancelled());
            inner.shield(false);
            EXPECT_TRUE(checkpoint_is_cancelled()) << "turning it off exposes the cancellation at once";
            inner.shield(true);
            EXPECT_FALSE(checkpoint_is_cancelled());
        });
    });
    EXPECT_FALSE(inner.cancel_called());
}

// case 26
TOMBOLO_TEST(cancel_shield, does_not_protect_from_its_own_scope_nor_from_scopes_inside) {
    tb::cancel_scope shielded{{.shield = true}};
    bool passed = false;
    shielded.run([&] {
        tb::cancel_scope innermost;
        innermost.run([&] {
            innermost.cancel();
            EXPECT_TRUE(checkpoint_is_cancelled());
        });
        EXPECT_FALSE(checkpoint_is_cancelled());
        shielded.cancel();
        tb::checkpoint();
        passed = true;
    });
    EXPECT_FALSE(passed);
    EXPECT_TRUE(shielded.cancelled_caught());
}

// case 26
TOMBOLO_TEST(cancel_shield, covers_the_child_tasks_of_nurseries_inside) {
    tb::cancel_scope outer;
    bool child_woke_by_itself = false;
    outer.run([&] {
        tb::cancel_scope shielded{{.shield = true}};
        shielded.run([&] {
            tb::open_nursery([&](tb::nursery& n) {
                n.start_soon([&] {
                    tb::sleep_for(1s);
                    child_woke_by_itself = true;
                });
                tb::testing::wait_all_tasks_blocked();
                outer.cancel();
            });
        });
    });
    EXPECT_TRUE(child_woke_by_itself);
    EXPECT_FALSE(outer.cancelled_caught());
}

// case 26
TOMBOLO_TEST(cancel_shield, of_the_spawning_code_does_not_cover_the_tasks_of_an_outer_nursery) {
    bool child_cancelled = false;
    tb::open_nursery([&](tb::nursery& n) {
        tb::cancel_scope shielded{{.shield = true}};
        shielded.run([&] {
            n.start_soon([&] { child_cancelled = is_cancelled_in([] { tb::sleep_for(1s); }); });
            n.cancel_scope().cancel();
            tb::sleep_for(2s);
        });
    });
    EXPECT_TRUE(child_cancelled);
    EXPECT_EQ(tb::now(), tb::time_point(2s));
}

// case 27
TOMBOLO_TEST(cancel_shield, turned_off_aborts_a_task_that_sleeps_inside) {
    bool sleeper_cancelled = false;
    tb::cancel_scope shielded{{.shield = true}};
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] { shielded.run([&] { sleeper_cancelled = is_cancelled_in([] { tb::sleep_forever(); }); }); });
        tb::testing::wait_all_tasks_blocked();
        n.cancel_scope().cancel();
        tb::cancel_scope ours{{.shield = true}};
        ours.run([&] {
            tb::testing::wait_all_tasks_blocked();
            EXPECT_FALSE(sleeper_cancelled);
            const std::size_t runnable = tb::lowlevel::current_statistics().tasks_runnable;
            shielded.shield(false);
            EXPECT_EQ(tb::lowlevel::current_statistics().tasks_runnable, runnable + 1) << "it is aborted synchronously";
            tb::testing::wait_all_tasks_blocked();
            EXPECT_TRUE(sleeper_cancelled);
        });
    });
}

TOMBOLO_TEST(cancel_shield, turned_on_does_not_call_back_a_cancellation_that_was_delivered) {
    tb::cancel_scope shielded;
    bool sleeper_cancelled = false;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            shielded.run([&] {
                sleeper_cancelled = is_cancelled_in([] { tb::sleep_for(1s); });
                EXPECT_FALSE(checkpoint_is_cancelled()) << "by now the shield holds";
            });
        });
        tb::testing::wait_all_tasks_blocked();
        n.cancel_scope().cancel();
        shielded.shield(true);
    });
    EXPECT_TRUE(sleeper_cancelled);
    EXPECT_EQ(tb::now(), tb::time_point(0s));
}

TOMBOLO_TEST(cancel_shield, turned_on_before_the_checkpoint_spares_it) {
    tb::cancel_scope outer;
    outer.run([&] {
        tb::cancel_scope inner;
        inner.run([&] {
            outer.cancel();
            inner.shield(true);
            tb::sleep_for(1s);
        });
        EXPECT_TRUE(checkpoint_is_cancelled());
    });
    EXPECT_EQ(tb::now(), tb::time_point(1s));
}

TOMBOLO_TEST(cancel_shield, in_the_middle_of_a_chain_hides_only_what_is_outside_of_it) {
    tb::cancel_scope outer;
    tb::cancel_scope middle{{.shield = true}};
    tb::cancel_scope inner;
    outer.run([&] {
        middle.run([&] {
            inner.run([&] {
                outer.cancel();
                EXPECT_FALSE(checkpoint_is_cancelled());
                middle.cancel();
                EXPECT_TRUE(checkpoint_is_cancelled());
                middle.shield(false);
                EXPECT_TRUE(checkpoint_is_cancelled());
                inner.shield(true);
                EXPECT_FALSE(checkpoint_is_cancelled());
            });
            tb::checkpoint();
        });
    });
    EXPECT_TRUE(outer.cancelled_caught());
    EXPECT_FALSE(middle.cancelled_caught());
    EXPECT_FALSE(inner.cancelled_caught());
}

TOMBOLO_TEST(cancel_shield, turned_on_spares_again_what_is_deep_inside) {
    tb::cancel_scope outer;
    tb::cancel_scope middle;
    bool child_spared = false;
    outer.run([&] {
        outer.cancel();
        middle.run([&] {
            tb::cancel_scope inner;
            inner.run([&] {
                tb::open_nursery([&](tb::nursery& n) {
                    EXPECT_TRUE(checkpoint_is_cancelled());
                    middle.shield(true);
                    EXPECT_FALSE(checkpoint_is_cancelled());
                    n.start_soon([&] { child_spared = !checkpoint_is_cancelled(); });
                });
            });
            tb::sleep_for(1s);
        });
    });
    EXPECT_TRUE(child_spared);
    EXPECT_EQ(tb::now(), tb::time_point(1s));
}

TOMBOLO_TEST(cancel_shield, of_a_nursery_scope_covers_children_and_body) {
    tb::cancel_scope outer;
    bool child_finished = false;
    bool body_finished = false;
    EXPECT_TRUE(outer.run([&] {
        tb::open_nursery([&](tb::nursery& n) {
            n.cancel_scope().shield(true);
            n.start_soon([&] {
                tb::sleep_for(1s);
                child_finished = true;
            });
            outer.cancel();
            tb::sleep_for(2s);
            body_finished = true;
        });
    }));
    EXPECT_TRUE(child_finished);
    EXPECT_TRUE(body_finished);
    EXPECT_FALSE(outer.cancelled_caught());
}

TOMBOLO_TEST(cancel_shield, hides_deadlines_outside_until_it_is_turned_off) {
    tb::cancel_scope outer{{.relative_deadline = 1s}};
    outer.run([&] {
        tb::cancel_scope inner{{.shield = true}};
        inner.run([&] {
            tb::sleep_for(5s);
            EXPECT_TRUE(outer.cancel_called());
            inner.shield(false);
            tb::sleep_for(5s);
            ADD_FAILURE() << "the deadline has been forgotten";
        });
    });
    EXPECT_TRUE(outer.cancelled_caught());
    EXPECT_EQ(tb::now(), tb::time_point(5s));
}

}  // namespace
