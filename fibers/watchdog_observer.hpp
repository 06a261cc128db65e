#pragma once

#include "fibers/watched_step.hpp"

#include <tombolo/fibers/watchdog.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <ctime>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

namespace tombolo {

/// What is behind a watchdog: the run's thread publishes its steps here, and whoever looks reads them.
///
/// Invariants:
/// 1. owner_ is the mark of the thread whose run is watched, null when none is. Hooks on other threads do nothing.
/// 2. mail_ and seen_ belong to mutex_. No sink is called under it: a sink may take as long as it likes.
/// 3. looking_ is held while a sink is called.
class watchdog::observer {
public:
    explicit observer(watchdog_options options);
    ~observer() { stop(); }

    // On the run's thread.
    void begin_run();
    void end_run();
    void begin_step(const task& stepping);
    void end_step(const task& stepping);
    void begin_wait(duration longest) noexcept;
    void end_wait() noexcept;

    void stop();
    void look();
    duration look_every() const noexcept;

private:
    /// A step that somebody has seen.
    struct sighting {
        std::uint64_t turn = 0;
        duration age{};     ///< when it was seen last
        duration looked{};  ///< when that was
        duration cpu_time_before{};
        duration next_report{};
    };

    bool watches_this_thread() const noexcept;
    void report_end(const task& stepping);
    void watch() noexcept;
    void try_to_look() noexcept;
    void doze(std::unique_lock<std::mutex>& lock);
    std::optional<watchdog_report> inspect();
    void deliver_mail();
    void tell(const watchdog_report& report);
    void age(duration now) noexcept;
    duration wall_time() const;
    duration cpu_time() const;
    bool is_inside_sink() const noexcept { return sink_caller_.load() == std::this_thread::get_id(); }
    void join();

    const watchdog_options options_;
    watched_step step_;
    std::atomic<std::uint64_t> reported_{1};  ///< the turn that was reported last
    std::atomic<const void*> owner_{nullptr};
    std::atomic<bool> stopped_{false};  ///< by stop(), until the next run begins

    bool waits_ = false;  ///< for the run's thread: asleep_ is set
    std::atomic<bool> asleep_{false};
    std::atomic<bool> dormant_{false};

    std::mutex mutex_;
    std::condition_variable woken_;
    bool stopping_ = false;
    sighting seen_;
    std::deque<watchdog_report> mail_;

    std::mutex looking_;
    bool sink_failed_ = false;
    std::atomic<std::thread::id> sink_caller_{};

    std::mutex starting_;
    std::thread thread_;
    int process_ = 0;  ///< that thread_ belongs to
    clockid_t cpu_clock_{};
};

}  // namespace tombolo
