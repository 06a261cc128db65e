#include <tombolo/fibers/held_locks.hpp>

#include "test/held_locks/detect.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run_token.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <latch>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using lock_kind = held_lock_report::lock_kind;

std::vector<lock_kind> kinds_of(const reports& found) {
    std::vector<lock_kind> kinds;
    for (const held_lock_report& report : found) kinds.push_back(report.kind);
    return kinds;
}

TEST(held_lock_detector, reports_a_mutex_that_is_held_across_a_sleep) {
    std::mutex mutex;
    std::uint64_t id = 0;
    const reports found = detect([&] {
        open_nursery([&](nursery& n) {
            n.start_soon(
                [&] {
                    id = lowlevel::current_task().id();
                    const std::lock_guard lock(mutex);
                    sleep_for(1s);
                },
                {.name = "careless"});
        });
    });
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].task, "careless");
    EXPECT_EQ(found[0].task_id, id);
    EXPECT_EQ(found[0].lock, mutex.native_handle());
    EXPECT_EQ(found[0].kind, lock_kind::mutex);
    EXPECT_EQ(found[0].waits_in, "sleep_for");
    EXPECT_FALSE(found[0].task_ended);
    EXPECT_THAT(found[0].locked_at, Not(IsEmpty()));
}

TEST(held_lock_detector, says_nothing_of_a_mutex_that_is_released_before_the_checkpoint) {
    std::mutex mutex;
    int locked = 0;
    const reports found = detect([&] {
        for (int i = 0; i < 3; ++i) {
            {
                const std::lock_guard lock(mutex);
                ++locked;
            }
            checkpoint();
            sleep_for(1s);
        }
    });
    EXPECT_EQ(locked, 3);
    EXPECT_THAT(found, IsEmpty());
}

TEST(held_lock_detector, reports_a_lock_guard_around_a_checkpoint) {
    std::mutex mutex;
    const reports found = detect([&] {
        const std::lock_guard lock(mutex);
        checkpoint();
    });
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].task, "main");
    EXPECT_THAT(found[0].waits_in, IsEmpty()) << "it can go on at once";
}

TEST(held_lock_detector, counts_how_often_a_recursive_mutex_is_locked) {
    std::recursive_mutex mutex;
    const auto main = [&](int unlocks) {
        return [&, unlocks] {
            mutex.lock();
            mutex.lock();
            for (int i = 0; i < unlocks; ++i) mutex.unlock();
            checkpoint();
            for (int i = unlocks; i < 2; ++i) mutex.unlock();
        };
    };
    EXPECT_THAT(detect(main(0)), SizeIs(1));
    EXPECT_THAT(detect(main(1)), SizeIs(1));
    EXPECT_THAT(detect(main(2)), IsEmpty());
}

TEST(held_lock_detector, sees_whether_try_lock_got_the_lock) {
    std::mutex mine;
    std::mutex taken;
    std::latch locked(1);
    std::latch done(1);
    std::jthread other([&] {
        const std::lock_guard lock(taken);
        locked.count_down();
        done.wait();
    });
    locked.wait();
    const reports found = detect([&] {
        EXPECT_TRUE(mine.try_lock());
        EXPECT_FALSE(taken.try_lock());
        checkpoint();
        mine.unlock();
    });
    done.count_down();
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].lock, mine.native_handle());
}

TEST(held_lock_detector, knows_every_kind_of_lock) {
    std::timed_mutex timed;
    std::recursive_timed_mutex recursive_timed;
    std::shared_timed_mutex shared;
    pthread_spinlock_t spin{};
    ASSERT_EQ(::pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE), 0);
    const auto now = std::chrono::system_clock::now();
    const reports held = detect([&] {
        timed.lock();
        checkpoint();
        timed.unlock();
        EXPECT_TRUE(timed.try_lock_for(1s));
        checkpoint();
        timed.unlock();
        EXPECT_TRUE(timed.try_lock_until(now + 1h));
        checkpoint();
        timed.unlock();
        EXPECT_TRUE(recursive_timed.try_lock_for(1s));
        checkpoint();
        recursive_timed.unlock();
        shared.lock_shared();
        checkpoint();
        shared.unlock_shared();
        shared.lock();
        checkpoint();
        shared.unlock();
        EXPECT_TRUE(shared.try_lock_shared());
        checkpoint();
        shared.unlock_shared();
        EXPECT_TRUE(shared.try_lock());
        checkpoint();
        shared.unlock();
        EXPECT_TRUE(shared.try_lock_shared_for(1s));
        checkpoint();
        shared.unlock_shared();
        EXPECT_TRUE(shared.try_lock_for(1s));
        checkpoint();
        shared.unlock();
        EXPECT_TRUE(shared.try_lock_shared_until(now + 1h));
        checkpoint();
        shared.unlock_shared();
        EXPECT_TRUE(shared.try_lock_until(now + 1h));
        checkpoint();
        shared.unlock();
        EXPECT_EQ(::pthread_spin_lock(&spin), 0);
        checkpoint();
        EXPECT_EQ(::pthread_spin_unlock(&spin), 0);
        EXPECT_EQ(::pthread_spin_trylock(&spin), 0);
        checkpoint();
        EXPECT_EQ(::pthread_spin_unlock(&spin), 0);
        checkpoint();
    });
    ::pthread_spin_destroy(&spin);
    using enum lock_kind;
    EXPECT_THAT(
        kinds_of(held),
        ElementsAre(
            mutex, mutex, mutex, mutex, read_lock, write_lock, read_lock, write_lock, read_lock, write_lock, read_lock,
            write_lock, spin_lock, spin_lock));
}

TEST(held_lock_detector, is_not_confused_by_condition_variables) {
    std::mutex mutex;
    std::condition_variable changed;
    bool ready = false;
    const auto wait_in_task = [&](bool keep) {
        return [&, keep] {
            ready = false;
            std::jthread other([&] {
                const std::lock_guard lock(mutex);
                ready = true;
                changed.notify_one();
            });
            std::unique_lock lock(mutex);
            changed.wait(lock, [&] { return ready; });
            if (!keep) lock.unlock();
            checkpoint();
        };
    };
    EXPECT_THAT(detect(wait_in_task(false)), IsEmpty());
    EXPECT_THAT(detect(wait_in_task(true)), SizeIs(1));
}

TEST(held_lock_detector, ignores_locks_of_other_threads) {
    std::mutex mutex;
    std::latch locked(1);
    std::latch done(1);
    std::jthread other([&] {
        const std::lock_guard lock(mutex);
        locked.count_down();
        done.wait();
    });
    locked.wait();
    EXPECT_THAT(detect([] { sleep_for(1s); }), IsEmpty());
    done.count_down();
}

TEST(held_lock_detector, ignores_locks_that_were_taken_outside_of_tasks) {
    std::mutex mutex;
    const std::lock_guard lock(mutex);
    EXPECT_THAT(detect([] { sleep_for(1s); }), IsEmpty());
}

TEST(held_lock_detector, tells_tasks_apart) {
    std::mutex of_a;
    std::mutex of_b;
    const reports found = detect([&] {
        open_nursery([&](nursery& n) {
            n.start_soon(
                [&] {
                    checkpoint();
                    const std::lock_guard lock(of_a);
                    sleep_for(1s);
                },
                {.name = "a"});
            n.start_soon(
                [&] {
                    checkpoint();
                    const std::lock_guard lock(of_b);
                    sleep_for(1s);
                },
                {.name = "b"});
            n.start_soon([] { sleep_for(2s); }, {.name = "innocent"});
        });
    });
    ASSERT_THAT(found, SizeIs(2));
    for (const held_lock_report& report : found)
        EXPECT_EQ(report.lock, report.task == "a" ? of_a.native_handle() : of_b.native_handle());
    EXPECT_THAT((std::vector{found[0].task, found[1].task}), UnorderedElementsAre("a", "b"));
}

TEST(held_lock_detector, knows_when_another_task_of_the_thread_unlocks) {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    reports found;
    found = detect([&] {
        open_nursery([&](nursery& n) {
            n.start_soon(
                [&] {
                    ::pthread_mutex_lock(&mutex);
                    sleep_for(1s);
                    sleep_for(2s);
                },
                {.name = "locks"});
            n.start_soon(
                [&] {
                    sleep_for(500ms);
                    ::pthread_mutex_unlock(&mutex);
                    sleep_for(1s);
                },
                {.name = "unlocks"});
        });
    });
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].task, "locks");
}

TEST(held_lock_detector, reports_each_place_once) {
    std::mutex mutex;
    volatile int rounds = 3;  // or the compiler unrolls the loop, which makes three places of it
    const reports found = detect([&] {
        for (int i = 0; i < rounds; ++i) {
            const std::lock_guard lock(mutex);
            sleep_for(1s);
            checkpoint();
        }
        const std::lock_guard elsewhere(mutex);
        sleep_for(1s);
    });
    ASSERT_THAT(found, SizeIs(2));
    EXPECT_NE(found[0].locked_at, found[1].locked_at);
}

TEST(held_lock_detector, has_nothing_to_say_about_tombolo_itself) {
    int jobs = 0;
    const reports found = detect([&] {
        const lowlevel::run_token token = lowlevel::current_run_token();
        for (int i = 0; i < 10; ++i) {
            std::jthread([&] { token.run_sync_soon([&] { ++jobs; }); }).join();
            token.run_sync_soon([&] { ++jobs; });
            sleep_for(1ms);
        }
    });
    EXPECT_EQ(jobs, 20);
    EXPECT_THAT(found, IsEmpty());
}

}  // namespace
}  // namespace tombolo::testing
