#pragma once

#include <tombolo/fibers/instrument.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tombolo {

/// A lock of the thread that a task still held when it let other tasks run.
struct held_lock_report {
    enum class lock_kind { mutex, read_lock, write_lock, spin_lock };

    std::string task;
    std::uint64_t task_id = 0;
    const void* lock = nullptr;  ///< the address of the pthread_mutex_t, as of the std::mutex around it
    lock_kind kind = lock_kind::mutex;
    /// What the task waits in now, as lowlevel::task_tree() shows it; empty when it goes on at its next turn, or has ended.
    std::string waits_in;
    bool task_ended = false;
    std::vector<void*> locked_at;  ///< return addresses, innermost first

    /// A sentence, and below it the place where the lock was taken, as far as the program has symbols.
    std::string to_string() const;
};

struct held_lock_options {
    enum class policy {
        report,
        abort  ///< report, then std::abort(): for tests and for whoever wants a core
    };

    policy when_held = policy::report;

    /// Receives the reports, on the run's thread, between two steps. It must not throw. Empty: to_string() goes to stderr.
    std::function<void(const held_lock_report&)> sink = {};

    /// How many return addresses are kept of each lock that a task takes. More tell places apart better and cost more: a few
    /// microseconds a lock, once there are two. At most 16.
    int most_frames = 8;
};

/// An instrument that finds locks of the thread (std::mutex and everything else made of pthread_mutex_t, pthread_rwlock_t and
/// pthread_spinlock_t) which a task holds across a checkpoint. Such a program works until another task of the run wants the
/// lock: it then blocks the only thread that could release it. A recursive mutex is worse, it lets the other task in.
/// Use tombolo::mutex where a lock must be held while waiting.
///
/// Each place where such a lock was taken is reported once, with the lock, the task and what it waits in. Locks that were
/// taken outside of tasks, or by other threads, are none of its business. A condition variable's wait releases its mutex
/// while the thread sleeps and has it again before the task goes on, so it makes no difference.
///
/// For debugging: the CMake target tombolo::held_locks, which nobody links by accident, puts functions called
/// pthread_mutex_lock and so on into the program, in front of libc's. Link it to the executable, dynamically against libc;
/// without the target this class is an undefined symbol. Locks that libraries take through pointers they looked up
/// themselves, and locks made of futexes, are not seen. Not under sanitizers, which do the same trick.
///
/// Lifetime: as every instrument. Several runs, on threads of their own, may share one.
class held_lock_detector final : public instrument {
public:
    /// Throws: usage_error for a number of frames that is not 1 to 16.
    explicit held_lock_detector(held_lock_options options = {});
    held_lock_detector(const held_lock_detector&) = delete;
    held_lock_detector& operator=(const held_lock_detector&) = delete;
    ~held_lock_detector() override;

    void before_task_step(task&) override;
    void after_task_step(task&) override;
    void task_exited(task&) override;

private:
    struct places;
    const held_lock_options options_;
    std::unique_ptr<places> places_;
};

}  // namespace tombolo
