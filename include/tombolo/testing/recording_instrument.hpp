#pragma once

#include <tombolo/fibers/instrument.hpp>

#include <string>
#include <vector>

namespace tombolo::testing {

/// One call of an instrument hook: the hook's name and the task's, empty for hooks without a task.
struct recorded_event {
    std::string hook;
    std::string task;
    bool operator==(const recorded_event&) const = default;
};

/// Writes down every hook call, for tests that assert in which order things happened.
/// Source: the TaskRecorder of trio's tests.
class recording_instrument final : public instrument {
public:
    const std::vector<recorded_event>& events() const noexcept { return events_; }

    /// The events of one task, as hook names.
    std::vector<std::string> of_task(const std::string& name) const;

    void before_run() override;
    void after_run() override;
    void task_spawned(task&) override;
    void task_scheduled(task&) override;
    void before_task_step(task&) override;
    void after_task_step(task&) override;
    void task_exited(task&) override;
    void before_io_wait(duration) override;
    void after_io_wait(duration) override;

private:
    std::vector<recorded_event> events_;
};

}  // namespace tombolo::testing
