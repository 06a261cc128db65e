#pragma once

#include <tombolo/base/unique_fd.hpp>
#include <tombolo/fibers/guest_host.hpp>
#include <tombolo/fibers/guest_run.hpp>

namespace tombolo::lowlevel {

/// A host that is a task: a run as the guest of another run, both on one thread. For runs that need a clock,
/// instruments or options of their own beside the run around them, and as the simplest example of a watching_host.
///
/// The run around it is installed on the thread whenever its own tasks run; guest_run::call reaches the guest from
/// there. The guest waits in real time, whatever the clock of the run around it.
/// Lifetime: made, served and destroyed in one run; one guest at a time. Source: none; trio cannot do this (G14).
class task_host final : public watching_host {
public:
    task_host() = default;
    task_host(const task_host&) = delete;
    task_host& operator=(const task_host&) = delete;

    /// Gives the guest its turns until it has ended. Other tasks of this run go on meanwhile.
    /// Checkpoint: always. Cancellation: cancels the guest's main task, serves the guest to its end under a shield,
    /// then leaves with `cancelled`.
    /// Throws: usage_error for the guest of another host; busy_resource when another task serves it; what `done`
    /// throws.
    void serve(guest_run guest);

    /// Throws: not_in_task; std::system_error when there are no descriptors left.
    void open(int descriptor, unique_function<void()> wake) override;
    void wake_soon() override;
    void wake_after(duration timeout) override;
    void close() noexcept override;
    bool is_in_a_run() const override { return true; }

private:
    void turn();
    void wait();

    // Invariant: between open() and close(), and only then, all of these are set; events_ watches the guest's
    // descriptor and timer_.
    unique_function<void()> wake_;
    unique_fd events_;
    unique_fd timer_;

    bool soon_ = false;
    bool waiting_ = false;
    bool served_ = false;
};

}  // namespace tombolo::lowlevel
