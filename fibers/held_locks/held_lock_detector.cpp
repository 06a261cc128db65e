#include "fibers/held_locks/lock_table.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/held_locks.hpp>
#include <tombolo/fibers/task.hpp>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>
#include <utility>

namespace tombolo {

namespace {

using held_locks::this_thread_locks;

/// The task that has ended in the step that is under way.
thread_local constinit const task* ended_task = nullptr;

held_lock_options checked(held_lock_options options) {
    if (options.most_frames < 1 || options.most_frames > static_cast<int>(held_locks::most_frames))
        throw usage_error(
            "held_lock_detector: most_frames is not 1 to 16; say how many return addresses to keep of each lock");
    return options;
}

held_lock_report report_of(const task& owner, const held_locks::held& lock) {
    const char* waits_in = owner.waiting_in();
    return {
        .task = owner.name(),
        .task_id = owner.id(),
        .lock = lock.lock,
        .kind = lock.kind,
        .waits_in = waits_in != nullptr ? waits_in : "",
        .task_ended = ended_task == &owner,
        .locked_at = {lock.locked_at.begin(), lock.locked_at.begin() + lock.frames}};
}

}  // namespace

/// Where locks were taken that have been reported.
struct held_lock_detector::places {
    bool add(const std::vector<void*>& place) {
        const std::lock_guard lock(mutex);
        return known.insert(place).second;
    }

    std::mutex mutex;
    std::set<std::vector<void*>> known;
};

held_lock_detector::held_lock_detector(held_lock_options options)
    : options_(checked(std::move(options))), places_(std::make_unique<places>()) {}

held_lock_detector::~held_lock_detector() = default;

void held_lock_detector::before_task_step(task& stepping) {
    this_thread_locks().step_begins(stepping, static_cast<unsigned>(options_.most_frames));
}

void held_lock_detector::task_exited(task& exiting) { ended_task = &exiting; }

void held_lock_detector::after_task_step(task& stepping) {
    held_locks::lock_table& locks = this_thread_locks();
    locks.step_ends(stepping);
    if (!locks.empty()) [[unlikely]] {
        std::vector<held_lock_report> reports;
        locks.for_each_of(
            stepping, [&](const held_locks::held& lock) { reports.push_back(report_of(stepping, lock)); });
        for (const held_lock_report& report : reports) {
            if (!places_->add(report.locked_at)) continue;
            if (options_.sink)
                options_.sink(report);
            else
                std::fprintf(stderr, "%s\n", report.to_string().c_str());
            if (options_.when_held == held_lock_options::policy::abort) std::abort();
        }
    }
    if (ended_task == &stepping) [[unlikely]] {
        locks.forget(stepping);
        ended_task = nullptr;
    }
}

}  // namespace tombolo
