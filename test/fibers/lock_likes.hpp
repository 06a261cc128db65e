#pragma once

#include <tombolo/fibers/capacity_limiter.hpp>
#include <tombolo/fibers/channel.hpp>
#include <tombolo/fibers/condition_variable.hpp>
#include <tombolo/fibers/mutex.hpp>
#include <tombolo/fibers/semaphore.hpp>
#include <tombolo/fibers/strict_fifo_mutex.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <mutex>
#include <type_traits>

// Everything that lets one task at a time in, behind the names that std::lock_guard uses.
namespace tombolo::testing {

struct plain_mutex : mutex {
    std::size_t waiting() const { return statistics().tasks_waiting; }
};

struct ordered_mutex : strict_fifo_mutex {
    std::size_t waiting() const { return statistics().tasks_waiting; }
};

struct one_unit : semaphore {
    one_unit() : semaphore(1, {.max_value = 1}) {}
    std::size_t waiting() const { return statistics().tasks_waiting; }
};

struct one_token : capacity_limiter {
    one_token() : capacity_limiter(1) {}
    std::size_t waiting() const { return statistics().tasks_waiting; }
};

/// The mutex of a condition variable that is notified whenever it is unlocked.
struct conditions_lock {
    void lock() { lock_.lock(); }
    bool try_lock() { return lock_.try_lock(); }
    void unlock() {
        changed_.notify_all();  // nobody waits for it: it must not matter
        lock_.unlock();
    }
    std::size_t waiting() const { return changed_.statistics().lock_statistics.tasks_waiting; }

private:
    mutex lock_;
    condition_variable changed_{lock_};
};

/// A channel with room for one value: whoever has it in there has the lock.
struct room_in_a_channel {
    void lock() { ends_.tx.send(0); }
    bool try_lock() { return ends_.tx.try_send(0); }
    void unlock() { EXPECT_TRUE(ends_.rx.try_receive()); }
    std::size_t waiting() const { return ends_.tx.statistics().tasks_waiting_send; }

private:
    channel_ends<int> ends_ = open_channel<int>(1);
};

/// A channel with one value: whoever took it out has the lock.
struct value_of_a_channel {
    value_of_a_channel() { ends_.tx.try_send(0); }
    void lock() { ends_.rx.receive(); }
    bool try_lock() { return ends_.rx.try_receive().has_value(); }
    void unlock() { EXPECT_TRUE(ends_.tx.try_send(0)); }
    std::size_t waiting() const { return ends_.tx.statistics().tasks_waiting_receive; }

private:
    channel_ends<int> ends_ = open_channel<int>(1);
};

/// Those that know who holds them.
template <class Lock>
inline constexpr bool has_owner = !std::is_same_v<Lock, one_unit> && !std::is_same_v<Lock, room_in_a_channel> &&
    !std::is_same_v<Lock, value_of_a_channel>;

using lock_likes = ::testing::Types<
    plain_mutex, ordered_mutex, one_unit, one_token, conditions_lock, room_in_a_channel, value_of_a_channel>;

struct lock_like_names {
    template <class Lock>
    static const char* GetName(int /*index*/) {
        if constexpr (std::is_same_v<Lock, plain_mutex>) return "mutex";
        if constexpr (std::is_same_v<Lock, ordered_mutex>) return "strict_fifo_mutex";
        if constexpr (std::is_same_v<Lock, one_unit>) return "semaphore";
        if constexpr (std::is_same_v<Lock, one_token>) return "capacity_limiter";
        if constexpr (std::is_same_v<Lock, room_in_a_channel>) return "room_in_a_channel";
        if constexpr (std::is_same_v<Lock, value_of_a_channel>) return "value_of_a_channel";
        return "lock_of_a_condition_variable";
    }
};

}  // namespace tombolo::testing
