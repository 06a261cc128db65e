#include "test/fibers/checkpoint_claims.hpp"
#include "test/fibers/with_waker.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/capacity_limiter.hpp>
#include <tombolo/fibers/condition_variable.hpp>
#include <tombolo/fibers/event.hpp>
#include <tombolo/fibers/mutex.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/parking_lot.hpp>
#include <tombolo/fibers/semaphore.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <mutex>
#include <utility>

// The rows of the synchronisation primitives.

namespace tombolo::testing {
namespace {

/// Runs `main` while another task waits in `wait`.
void with_waiter(const std::function<void()>& wait, const std::function<void()>& main) {
    open_nursery([&](nursery& n) {
        n.start_soon(wait);
        wait_all_tasks_blocked();
        main();
    });
}

const checkpoint_rows events{
    {"fibers/event.hpp", "event_set", "never", {never([](call_check& check) {
         event e;
         with_waiter([&] { e.wait(); }, [&] { check([&] { e.set(); }); });
         check([&] { e.set(); });
     })}},
    {"fibers/event.hpp",
     "event_wait",
     "always",
     {at_once([](call_check& check) {
          event e;
          e.set();
          check([&] { e.wait(); });
      }),
      waiting([](call_check& check) {
          event e;
          with_waker([&] { e.set(); }, [&] { check([&] { e.wait(); }); });
      })}},
};

const checkpoint_rows mutexes{
    {"fibers/mutex.hpp",
     "mutex_lock",
     "always",
     {at_once([](call_check& check) {
          mutex m;
          check([&] { m.lock(); });
          m.unlock();
      }),
      waiting([](call_check& check) {
          mutex m;
          open_nursery([&](nursery& n) {
              n.start_soon([&] {
                  m.lock();
                  wait_all_tasks_blocked();
                  m.unlock();
              });
              wait_all_tasks_blocked();
              check([&] { m.lock(); });
              m.unlock();
          });
      })}},
    {"fibers/mutex.hpp", "mutex_try_lock", "never", {never([](call_check& check) {
         mutex m;
         check([&] { EXPECT_TRUE(m.try_lock()); });
         open_nursery([&](nursery& n) { n.start_soon([&] { check([&] { EXPECT_FALSE(m.try_lock()); }); }); });
         m.unlock();
     })}},
    {"fibers/mutex.hpp", "mutex_unlock", "never", {never([](call_check& check) {
         mutex m;
         m.lock();
         with_waiter([&] { const std::lock_guard guard(m); }, [&] { check([&] { m.unlock(); }); });
         m.lock();
         check([&] { m.unlock(); });
     })}},
};

const checkpoint_rows semaphores{
    {"fibers/semaphore.hpp",
     "semaphore_acquire",
     "always",
     {at_once([](call_check& check) {
          semaphore s{1};
          check([&] { s.acquire(); });
      }),
      waiting([](call_check& check) {
          semaphore s{0};
          with_waker([&] { s.release(); }, [&] { check([&] { s.acquire(); }); });
      })}},
    {"fibers/semaphore.hpp", "semaphore_try_acquire", "never", {never([](call_check& check) {
         semaphore s{1};
         check([&] { EXPECT_TRUE(s.try_acquire()); });
         check([&] { EXPECT_FALSE(s.try_acquire()); });
     })}},
    {"fibers/semaphore.hpp", "semaphore_release", "never", {never([](call_check& check) {
         semaphore s{0};
         check([&] { s.release(); });
         s.acquire();
         with_waiter([&] { s.acquire(); }, [&] { check([&] { s.release(); }); });
     })}},
};

/// Waits for a condition by `wait`, in a scope that is cancelled already; the only way not to sleep.
void wait_cancelled(call_check& check, const std::function<void(condition_variable&)>& wait) {
    mutex m;
    condition_variable c{m};
    m.lock();
    cancel_scope scope;
    scope.cancel();
    EXPECT_FALSE(scope.run([&] { check([&] { wait(c); }); }));
    m.unlock();
}

void wait_notified(call_check& check, const std::function<void(condition_variable&)>& wait) {
    mutex m;
    condition_variable c{m};
    m.lock();
    with_waker(
        [&] {
            const std::lock_guard guard(m);
            c.notify();
        },
        [&] {
            check([&] { wait(c); });
            m.unlock();
        });
}

const checkpoint_rows condition_variables{
    {"fibers/condition_variable.hpp",
     "condition_variable_wait",
     "always",
     {at_once([](call_check& check) { wait_cancelled(check, [](condition_variable& c) { c.wait(); }); }),
      waiting([](call_check& check) { wait_notified(check, [](condition_variable& c) { c.wait(); }); })}},
    {"fibers/condition_variable.hpp",
     "condition_variable_wait_for_predicate",
     "always",
     {at_once([](call_check& check) {
          mutex m;
          condition_variable c{m};
          m.lock();
          check([&] { c.wait([] { return true; }); });
          m.unlock();
      }),
      waiting([](call_check& check) {
          bool asked = false;
          wait_notified(check, [&](condition_variable& c) { c.wait([&] { return std::exchange(asked, true); }); });
      })}},
    {"fibers/condition_variable.hpp", "condition_variable_notify", "never", {never([](call_check& check) {
         mutex m;
         condition_variable c{m};
         const auto wait = [&] {
             const std::lock_guard guard(m);
             c.wait();
         };
         with_waiter(wait, [&] {
             const std::lock_guard guard(m);
             check([&] { c.notify(); });
             check([&] { c.notify(1); });
             check([&] { c.notify_all(); });
         });
     })}},
};

const checkpoint_rows limiters{
    {"fibers/capacity_limiter.hpp",
     "capacity_limiter_acquire",
     "always",
     {at_once([](call_check& check) {
          capacity_limiter l{1};
          check([&] { l.acquire(); });
      }),
      waiting([](call_check& check) {
          capacity_limiter l{0};
          with_waker([&] { l.total(1); }, [&] { check([&] { l.acquire(); }); });
      })}},
    {"fibers/capacity_limiter.hpp", "capacity_limiter_try_acquire", "never", {never([](call_check& check) {
         capacity_limiter l{1};
         check([&] { EXPECT_TRUE(l.try_acquire()); });
         l.release();
         l.total(0);
         check([&] { EXPECT_FALSE(l.try_acquire()); });
     })}},
    {"fibers/capacity_limiter.hpp",
     "capacity_limiter_acquire_on_behalf_of",
     "always",
     {at_once([](call_check& check) {
          capacity_limiter l{1};
          check([&] { l.acquire_on_behalf_of(&l); });
      }),
      waiting([](call_check& check) {
          capacity_limiter l{0};
          with_waker([&] { l.total(1); }, [&] { check([&] { l.acquire_on_behalf_of(&l); }); });
      })}},
    {"fibers/capacity_limiter.hpp", "capacity_limiter_try_acquire_on_behalf_of", "never", {never([](call_check& check) {
         capacity_limiter l{1};
         check([&] { EXPECT_TRUE(l.try_acquire_on_behalf_of(&l)); });
         check([&] { EXPECT_FALSE(l.try_acquire_on_behalf_of(&check)); });
     })}},
    {"fibers/capacity_limiter.hpp", "capacity_limiter_release", "never", {never([](call_check& check) {
         capacity_limiter l{1};
         l.acquire();
         with_waiter([&] { l.acquire_on_behalf_of(&l); }, [&] { check([&] { l.release(); }); });
     })}},
    {"fibers/capacity_limiter.hpp", "capacity_limiter_release_on_behalf_of", "never", {never([](call_check& check) {
         capacity_limiter l{1};
         l.acquire_on_behalf_of(&check);
         with_waiter([&] { l.acquire_on_behalf_of(&l); }, [&] { check([&] { l.release_on_behalf_of(&check); }); });
     })}},
    {"fibers/capacity_limiter.hpp", "capacity_limiter_total", "never", {never([](call_check& check) {
         capacity_limiter l{0};
         with_waiter([&] { l.acquire(); }, [&] { check([&] { l.total(7); }); });
     })}},
};

const checkpoint_rows lots{
    {"fibers/parking_lot.hpp", "parking_lot_unpark_one", "never", {never([](call_check& check) {
         lowlevel::parking_lot lot;
         check([&] { EXPECT_EQ(lot.unpark_one(), nullptr); });
         with_waiter([&] { lot.park(); }, [&] { check([&] { EXPECT_NE(lot.unpark_one(), nullptr); }); });
     })}},
    {"fibers/parking_lot.hpp", "lot_owner_try_take", "never", {never([](call_check& check) {
         lowlevel::parking_lot lot;
         lowlevel::lot_owner owner(lot);
         check([&] { EXPECT_TRUE(owner.try_take()); });
         check([&] { EXPECT_FALSE(owner.try_take()); });
     })}},
    {"fibers/parking_lot.hpp", "lot_owner_hand_over", "never", {never([](call_check& check) {
         lowlevel::parking_lot lot;
         lowlevel::lot_owner owner(lot);
         EXPECT_TRUE(owner.try_take());
         with_waiter([&] { lot.park(); }, [&] { check([&] { owner.hand_over("a test"); }); });
     })}},
    {"fibers/parking_lot.hpp", "lot_owner_require_current_task", "never", {never([](call_check& check) {
         lowlevel::parking_lot lot;
         lowlevel::lot_owner owner(lot);
         EXPECT_TRUE(owner.try_take());
         check([&] { owner.require_current_task("a test"); });
     })}},
};

}  // namespace
}  // namespace tombolo::testing
