#include <tombolo/fibers/watchdog.hpp>

#include "fibers/watchdog_observer.hpp"

#include <cstdio>
#include <utility>

namespace tombolo {

namespace {

std::string milliseconds(duration length) {
    char text[40];
    std::snprintf(text, sizeof text, "%.3g ms", std::chrono::duration<double, std::milli>(length).count());
    return text;
}

watchdog_options checked(watchdog_options options) {
    if (options.threshold <= duration::zero())
        throw invalid_duration(
            "watchdog: the threshold is not positive; say how long a step may take before it is reported");
    return options;
}

}  // namespace

watchdog_report::activity watchdog_report::doing() const noexcept {
    if (cpu_time >= lasted * 3 / 4) return activity::computing;
    return cpu_time <= lasted / 4 ? activity::blocked : activity::both;
}

std::string watchdog_report::to_string() const {
    std::string text = "tombolo: task \"" + task + "\" #" + std::to_string(task_id);
    text += what == kind::stuck ? " has kept all other tasks waiting for " : " lets others run again, after ";
    text += milliseconds(lasted);
    text += doing() == activity::computing ? ", computing"
        : doing() == activity::blocked     ? ", blocked in the kernel"
                                           : ", now computing, now blocked";
    text += " (" + milliseconds(cpu_time) + " of processor time)";
    if (!tree.empty()) text += "\n" + tree;
    return text;
}

watchdog::watchdog(watchdog_options options) : observer_(std::make_unique<observer>(checked(std::move(options)))) {}
watchdog::~watchdog() = default;

void watchdog::stop() { observer_->stop(); }
void watchdog::look() { observer_->look(); }
duration watchdog::look_every() const noexcept { return observer_->look_every(); }

void watchdog::before_run() { observer_->begin_run(); }
void watchdog::after_run() { observer_->end_run(); }
void watchdog::before_task_step(task& stepping) { observer_->begin_step(stepping); }
void watchdog::after_task_step(task& stepping) { observer_->end_step(stepping); }
void watchdog::before_io_wait(duration longest) { observer_->begin_wait(longest); }
void watchdog::after_io_wait(duration) { observer_->end_wait(); }

}  // namespace tombolo
