#pragma once

#include <optional>
#include <type_traits>
#include <utility>

namespace tombolo {

class nursery;
class task;

namespace kernel {

/// What one nursery.start() and the child's task_status share. Lives in the frame of start(), which ends only after the
/// child called started() or ended.
struct start_record {
    nursery* hidden = nullptr;  ///< where the child lives until started()
    nursery* target = nullptr;  ///< where it moves then
    bool started = false;
};

template <class T>
struct start_value : start_record {
    std::optional<T> value;
    T take() { return std::move(*value); }
};

template <>
struct start_value<void> : start_record {
    void take() const noexcept {}
};

template <class T, class F>
struct start_body;

/// Throws already_started if `record` says so; otherwise notes that started() is being called.
void require_not_started(bool already_started);

/// Moves the hidden nursery's tasks to the target, unless start() is cancelled by now.
void move_started(start_record& record);

}  // namespace kernel

template <class T = void>
class task_status;

/// A status whose started() does nothing: lets a function written for start() be called directly.
/// Checkpoint: never. Callable from: any thread. Source: trio.TASK_STATUS_IGNORED.
template <class T = void>
task_status<T>& ignored_task_status() noexcept;

/// Given to a function that nursery.start() runs: the function calls started() when it is ready, which ends the start() and
/// moves the task into the nursery proper.
///
/// Lifetime: a reference is good as long as the function runs. Made by start() or ignored_task_status().
/// Source: trio.TaskStatus.
template <class T>
class task_status {
public:
    task_status(const task_status&) = delete;
    task_status& operator=(const task_status&) = delete;

    /// Reports that the task is ready; start() returns `value`.
    /// Checkpoint: never. Cancellation: if start() has been cancelled, the task stays under it and is cancelled with it.
    /// Throws: already_started on a second call.
    template <class U = T>
    void started(U&& value) {
        if (ignored_) return;
        kernel::require_not_started(started_);
        record_->value.emplace(std::forward<U>(value));
        started_ = true;
        kernel::move_started(*std::exchange(record_, nullptr));
    }

private:
    template <class, class>
    friend struct kernel::start_body;
    template <class U>
    friend task_status<U>& ignored_task_status() noexcept;

    task_status() noexcept : ignored_(true) {}
    explicit task_status(kernel::start_value<T>& record) noexcept : record_(&record) {}

    kernel::start_value<T>* record_ = nullptr;
    bool started_ = false;
    bool ignored_ = false;
};

template <>
class task_status<void> {
public:
    task_status(const task_status&) = delete;
    task_status& operator=(const task_status&) = delete;

    /// Reports that the task is ready; start() returns.
    /// Checkpoint: never. Cancellation: if start() has been cancelled, the task stays under it and is cancelled with it.
    /// Throws: already_started on a second call.
    void started() {
        if (ignored_) return;
        kernel::require_not_started(started_);
        started_ = true;
        kernel::move_started(*std::exchange(record_, nullptr));
    }

private:
    template <class, class>
    friend struct kernel::start_body;
    template <class U>
    friend task_status<U>& ignored_task_status() noexcept;

    task_status() noexcept : ignored_(true) {}
    explicit task_status(kernel::start_value<void>& record) noexcept : record_(&record) {}

    kernel::start_value<void>* record_ = nullptr;
    bool started_ = false;
    bool ignored_ = false;
};

template <class T>
task_status<T>& ignored_task_status() noexcept {
    thread_local task_status<T> ignored;
    return ignored;
}

}  // namespace tombolo
