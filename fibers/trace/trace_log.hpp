#pragma once

#include "fibers/trace/tick_clock.hpp"
#include "fibers/trace/trace_pages.hpp"

#include <tombolo/fibers/task.hpp>
#include <tombolo/fibers/trace.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace tombolo::kernel {

/// What a trace_recorder knows while it records: which step is under way, and which tasks the newest page knows.
///
/// The clock is read once for each step boundary and for each event inside of a step. A step that follows another one
/// directly begins when that one ended.
///
/// Invariants:
/// 1. stepping_ != null => the newest page introduces that task, as number actor_. Otherwise actor_ is 0.
/// 2. known_[...] with the current epoch_ => the newest page introduces the task with that id, in this run.
class trace_log {
public:
    trace_log(std::size_t bytes, trace_time time);

    void run_begins(bool late);
    void run_ends();
    void clear();

    void step_begins(task& stepping) {
        if (stepping_ != nullptr) [[unlikely]]
            finish_step();
        begin_ = follows_directly_ ? last_ : now();
        if (!in_batch_) [[unlikely]]
            begin_batch();
        stepping_ = &stepping;
        exited_ = false;
        --runnable_;
        actor_ = number_of(stepping);
    }

    void step_ends(const task& stepped) {
        if (stepping_ == &stepped) [[likely]]
            finish_step();
    }

    void scheduled(const task& woken) {
        ++runnable_;
        if (&woken == stepping_) return;
        const std::uint64_t id = woken.id();
        if (id == just_spawned_) {
            just_spawned_ = nobody;
            return;
        }
        const std::uint64_t at = now();
        note(record_kind::wake, at).a = id;
        loop_acts(at);
    }

    void spawned(const task& child) {
        ++living_;
        just_spawned_ = child.id();
        note(record_kind::spawn, now()).a = just_spawned_;
    }

    void exited(const task& ended);
    void wait_begins(duration longest);
    void wait_ends();
    void nursery_changes(record_kind kind, const void* scope, bool absorbed);
    void scope_entered(const void* scope, std::uint64_t to_deadline, bool shielded);
    void scope_exited(const void* scope, bool absorbed);
    void scope_cancelled(const void* scope, unsigned source, std::string_view source_task, std::string_view reason);

    trace_statistics statistics() const noexcept;
    const trace_pages& pages() const noexcept { return pages_; }

    /// The step that is under way: its task, by its number in the newest page, 0 for none, and its begin.
    std::uint32_t actor() const noexcept { return actor_; }
    std::uint64_t step_began() const noexcept { return begin_; }

    /// How the times of the records are to be read.
    tick_scale scale() const noexcept;

private:
    struct known_task {
        std::uint64_t id;
        std::uint32_t epoch;
        std::uint32_t number;
    };

    static constexpr std::uint64_t nobody = UINT64_MAX;

    std::uint64_t now() { return time_ == trace_time::steady ? read_ticks() : run_time(); }
    std::uint64_t run_time();

    trace_record& note(record_kind kind, std::uint64_t at, std::string_view text = {}) {
        const std::size_t slots = slots_for(text.size());
        if (!pages_.has_room(slots)) [[unlikely]]
            turn_page();
        trace_record& noted = pages_.take(slots);
        pages_.count_event();
        noted.time = at;
        noted.actor = actor_;
        noted.text_size = static_cast<std::uint16_t>(text.size());
        noted.kind = kind;
        if (!text.empty()) [[unlikely]]
            text.copy(reinterpret_cast<char*>(&noted + 1), text.size());
        last_ = at;
        follows_directly_ = false;
        return noted;
    }

    /// What happens outside of steps belongs to a slice of the run loop: to its wait, or to one that begins here.
    void loop_acts(std::uint64_t at) noexcept {
        const bool in_shown_wait = in_wait_ && waiting_since_ != 0;
        if (stepping_ == nullptr && !in_shown_wait && delivering_since_ == 0) delivering_since_ = at;
    }

    std::uint32_t number_of(const task& which) {
        const std::uint64_t id = which.id();
        const known_task& entry = known_[id & known_mask_];
        if (entry.id == id && entry.epoch == epoch_) [[likely]]
            return entry.number;
        return introduce(which);
    }

    std::uint32_t introduce(const task& which);
    void turn_page();
    void forget_tasks() noexcept;
    void finish_step();
    void abandon_step() noexcept;
    void begin_batch();
    void sample(std::uint64_t at);

    const trace_time time_;
    const tick_anchor origin_;
    trace_pages pages_;

    const std::size_t known_mask_;
    const std::unique_ptr<known_task[]> known_;
    std::uint32_t epoch_ = 1;
    std::uint32_t introduced_ = 0;  ///< in the newest page, of this run

    std::uint64_t run_ = 0;
    bool late_ = false;                ///< part of the current run is not recorded
    std::uint64_t run_time_zero_ = 0;  ///< trace_time::run: what to add to the run's time

    task* stepping_ = nullptr;
    std::uint32_t actor_ = 0;
    bool exited_ = false;
    bool came_in_the_middle_ = false;  ///< of the step under way: nobody will say when it ends
    bool follows_directly_ = false;    ///< nothing has happened since the last step ended
    std::uint64_t begin_ = 0;          ///< of the step under way
    std::uint64_t last_ = 0;           ///< the last time read

    bool in_wait_ = false;
    bool in_batch_ = false;
    std::uint64_t waiting_since_ = 0;     ///< 0: this pass does not wait
    std::uint64_t longest_wait_ = 0;      ///< in nanoseconds
    std::uint64_t delivering_since_ = 0;  ///< 0: nobody was woken between steps

    std::uint64_t just_spawned_ = nobody;
    std::uint64_t runnable_ = 0;
    std::uint64_t living_ = 0;
    std::uint64_t sampled_runnable_ = nobody;
    std::uint64_t sampled_living_ = nobody;
};

}  // namespace tombolo::kernel
