#include "fibers/trace/trace_log.hpp"

#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/statistics.hpp>

#include <algorithm>
#include <bit>
#include <typeinfo>

namespace tombolo::kernel {

namespace {

/// Of the whole memory, what the table of known tasks gets.
std::size_t known_tasks(std::size_t bytes) noexcept { return std::bit_floor(bytes / 256); }

/// Cuts at `longest` bytes, never inside of a character.
std::string_view cut(std::string_view text, std::size_t longest) noexcept {
    if (text.size() <= longest) return text;
    const auto continues = [&](std::size_t at) { return (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U; };
    while (longest > 0 && continues(longest)) --longest;
    return text.substr(0, longest);
}

std::uint64_t bits_of(const void* pointer) noexcept { return reinterpret_cast<std::uintptr_t>(pointer); }

}  // namespace

trace_log::trace_log(std::size_t bytes, trace_time time)
    : time_(time),
      origin_(time == trace_time::steady ? tick_anchor::now() : tick_anchor{0, 0}),
      pages_(bytes - known_tasks(bytes) * sizeof(known_task) - sizeof(trace_log)),
      known_mask_(known_tasks(bytes) - 1),
      known_(std::make_unique<known_task[]>(known_tasks(bytes))) {}

tick_scale trace_log::scale() const noexcept {
    return tick_scale(origin_, time_ == trace_time::steady ? tick_anchor::now() : origin_);
}

trace_statistics trace_log::statistics() const noexcept {
    return {
        .recorded = pages_.recorded(),
        .dropped = pages_.dropped(),
        .runs = run_,
        .bytes = pages_.bytes() + (known_mask_ + 1) * sizeof(known_task) + sizeof(trace_log)};
}

std::uint64_t trace_log::run_time() {
    return static_cast<std::uint64_t>(tombolo::now().time_since_epoch().count()) + run_time_zero_;
}

void trace_log::run_begins(bool late) {
    abandon_step();
    ++run_;
    late_ = late;
    forget_tasks();
    just_spawned_ = nobody;
    in_wait_ = in_batch_ = false;
    waiting_since_ = delivering_since_ = 0;
    // Runs follow each other in the trace, whatever their clocks say.
    if (time_ == trace_time::run) run_time_zero_ = last_ + 1 - (run_time() - run_time_zero_);
    trace_record& began = note(record_kind::run_began, now());
    began.a = run_;
    began.detail = late ? 1 : 0;
    runnable_ = 0;
    living_ = 1;
    if (!late) return;
    const lowlevel::run_statistics found = lowlevel::current_statistics();
    runnable_ = found.tasks_runnable;
    living_ = found.tasks_living;
    if (!in_task()) return;
    stepping_ = &lowlevel::current_task();
    came_in_the_middle_ = true;
    exited_ = false;
    begin_ = last_;
    actor_ = introduce(*stepping_);
}

void trace_log::run_ends() {
    if (stepping_ != nullptr) finish_step();
    const std::uint64_t at = now();
    if (delivering_since_ != 0) {
        note(record_kind::delivery, delivering_since_).a = at - delivering_since_;
        delivering_since_ = 0;
    }
    sample(at);
}

void trace_log::clear() {
    late_ = true;
    const bool in_a_step = stepping_ != nullptr && in_task() && &lowlevel::current_task() == stepping_;
    pages_.clear(run_);
    forget_tasks();
    if (!in_a_step) {
        stepping_ = nullptr;
        came_in_the_middle_ = false;
        return;
    }
    begin_ = now();
    actor_ = introduce(*stepping_);
}

void trace_log::forget_tasks() noexcept {
    ++epoch_;
    introduced_ = 0;
    actor_ = 0;
    sampled_runnable_ = sampled_living_ = nobody;
}

void trace_log::turn_page() {
    pages_.turn(run_);
    forget_tasks();
    late_ = true;
    if (stepping_ != nullptr) actor_ = introduce(*stepping_);
}

std::uint32_t trace_log::introduce(const task& which) {
    const lowlevel::task_label label = which.label();
    const std::string_view name = cut(label.given, longest_text);
    const std::size_t slots = slots_for(name.size());
    if (!pages_.has_room(slots)) {
        turn_page();
        if (&which == stepping_) return actor_;
    }
    trace_record& noted = pages_.take(slots);
    noted = {
        .time = last_,
        .a = which.id(),
        .b = bits_of(label.type),
        .actor = 0,
        .text_size = 0,
        .kind = record_kind::task,
        .detail = 0};
    noted.text_size = static_cast<std::uint16_t>(name.size());
    name.copy(reinterpret_cast<char*>(&noted + 1), name.size());
    const std::uint32_t number = ++introduced_;
    known_[noted.a & known_mask_] = {noted.a, epoch_, number};
    if (!late_) return number;
    // Its nurseries may have been opened before the trace begins. The rest of the page is needed for what happens.
    constexpr std::size_t kept_free = 2 * slots_for(longest_text);
    for (nursery* open : which.child_nurseries()) {
        if (!pages_.has_room(kept_free)) break;
        trace_record& found = pages_.take(1);
        found = {
            .time = last_,
            .a = bits_of(&open->cancel_scope()),
            .b = 0,
            .actor = number,
            .text_size = 0,
            .kind = record_kind::nursery_open,
            .detail = 0};
    }
    return number;
}

void trace_log::finish_step() {
    const char* where = exited_ ? nullptr : stepping_->waiting_in();
    const std::uint64_t end = now();
    trace_record& noted = note(record_kind::step, begin_);
    noted.a = end - begin_;
    noted.b = bits_of(where);
    noted.detail = static_cast<std::uint8_t>(
        exited_                ? step_end::exited
            : where != nullptr ? step_end::parked
                               : step_end::yielded);
    stepping_ = nullptr;
    actor_ = 0;
    came_in_the_middle_ = false;
    last_ = end;
    follows_directly_ = true;
}

void trace_log::abandon_step() noexcept {
    if (stepping_ == nullptr) return;
    // The recorder was removed in the middle of it: the task may be gone.
    if (pages_.has_room(1)) {
        const std::uint64_t end = std::max(last_, begin_);
        trace_record& noted = note(record_kind::step, begin_);
        noted.a = end - begin_;
        noted.b = 0;
        noted.detail = static_cast<std::uint8_t>(step_end::yielded);
    }
    stepping_ = nullptr;
    actor_ = 0;
    came_in_the_middle_ = false;
}

void trace_log::exited(const task& ended) {
    --living_;
    if (&ended != stepping_) {
        // It never got as far as its first step.
        --runnable_;
        return;
    }
    exited_ = true;
    if (came_in_the_middle_) finish_step();
}

void trace_log::begin_batch() {
    in_batch_ = true;
    if (delivering_since_ != 0) {
        note(record_kind::delivery, delivering_since_).a = begin_ - delivering_since_;
        delivering_since_ = 0;
    }
    sample(begin_);
}

void trace_log::wait_begins(duration longest) {
    if (stepping_ != nullptr) finish_step();
    in_wait_ = true;
    in_batch_ = false;
    follows_directly_ = false;
    waiting_since_ = delivering_since_ = 0;
    if (longest <= duration::zero()) return;
    waiting_since_ = now();
    longest_wait_ = static_cast<std::uint64_t>(longest.count());
    sample(waiting_since_);
}

void trace_log::wait_ends() {
    in_wait_ = false;
    if (waiting_since_ == 0) return;
    const std::uint64_t end = now();
    trace_record& noted = note(record_kind::idle, waiting_since_);
    noted.a = end - waiting_since_;
    noted.b = longest_wait_;
    last_ = end;
    waiting_since_ = 0;
}

void trace_log::sample(std::uint64_t at) {
    if (sampled_runnable_ == runnable_ && sampled_living_ == living_) return;
    trace_record& noted = note(record_kind::sample, at);
    noted.a = sampled_runnable_ = runnable_;
    noted.b = sampled_living_ = living_;
}

void trace_log::nursery_changes(record_kind kind, const void* scope, bool absorbed) {
    trace_record& noted = note(kind, now());
    noted.a = bits_of(scope);
    noted.detail = absorbed ? 1 : 0;
}

void trace_log::scope_entered(const void* scope, std::uint64_t to_deadline, bool shielded) {
    trace_record& noted = note(record_kind::scope_entered, now());
    noted.a = bits_of(scope);
    noted.b = to_deadline;
    noted.detail = shielded ? 1 : 0;
}

void trace_log::scope_exited(const void* scope, bool absorbed) {
    trace_record& noted = note(record_kind::scope_exited, now());
    noted.a = bits_of(scope);
    noted.detail = absorbed ? 1 : 0;
}

void trace_log::scope_cancelled(
    const void* scope, unsigned source, std::string_view source_task, std::string_view reason) {
    std::string text(cut(source_task, longest_text / 2 - 1));
    text += '\0';
    text += cut(reason, longest_text - text.size());
    const std::uint64_t at = now();
    trace_record& noted = note(record_kind::scope_cancelled, at, text);
    noted.a = bits_of(scope);
    noted.detail = static_cast<std::uint8_t>(source);
    loop_acts(at);
}

}  // namespace tombolo::kernel
