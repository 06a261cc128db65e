#include <tombolo/testing/recording_instrument.hpp>

#include <tombolo/fibers/task.hpp>

namespace tombolo::testing {

std::vector<std::string> recording_instrument::of_task(const std::string& name) const {
    std::vector<std::string> hooks;
    for (const recorded_event& event : events_)
        if (event.task == name) hooks.push_back(event.hook);
    return hooks;
}

void recording_instrument::before_run() { events_.push_back({"before_run", {}}); }
void recording_instrument::after_run() { events_.push_back({"after_run", {}}); }
void recording_instrument::task_spawned(task& which) { events_.push_back({"task_spawned", which.name()}); }
void recording_instrument::task_scheduled(task& which) { events_.push_back({"task_scheduled", which.name()}); }
void recording_instrument::before_task_step(task& which) { events_.push_back({"before_task_step", which.name()}); }
void recording_instrument::after_task_step(task& which) { events_.push_back({"after_task_step", which.name()}); }
void recording_instrument::task_exited(task& which) { events_.push_back({"task_exited", which.name()}); }
void recording_instrument::before_io_wait(duration) { events_.push_back({"before_io_wait", {}}); }
void recording_instrument::after_io_wait(duration) { events_.push_back({"after_io_wait", {}}); }

}  // namespace tombolo::testing
