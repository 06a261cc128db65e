#include <tombolo/fibers/channel_state.hpp>

#include <tombolo/base/assert.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/kernel/own_thread.hpp>

#include <string>
#include <utility>

namespace tombolo::kernel {

namespace {

std::string text_for(const char* what, const char* problem) { return std::string(what) + ": " + problem; }

bool concerns(const channel_waiter& waiter, const channel_end* through) {
    return through == nullptr || &waiter.through == through;
}

void require_own_waiters(const channel_state::waiters& queue, const channel_end* through, const char* what) {
    for (const channel_waiter& waiter : queue)
        if (concerns(waiter, through)) require_own_thread(*waiter.wait.waiter, what);
}

}  // namespace

lowlevel::abort channel_waiter::withdraw(void* waiter, const lowlevel::raise_cancel&) {
    channel_state::forget(*static_cast<channel_waiter*>(waiter));
    return lowlevel::abort::succeeded;
}

channel_state::~channel_state() = default;

void channel_state::forget(channel_waiter& self) noexcept {
    if (!self.linked()) return;
    self.unlink();
    --self.through.waiting;
}

channel_end* channel_state::add_end(bool sends) {
    auto* const added = new channel_end{*this, sends};
    ++(sends ? open_senders_ : open_receivers_);
    ++holders_;
    return added;
}

void channel_state::remove_end(channel_end* end) noexcept {
    channel_state& channel = end->channel;
    TOMBOLO_ASSERT(
        !end->open || channel.thread_ == __builtin_thread_pointer(),
        "an open handle of a channel is destroyed on another thread than the channel's; close it there first");
    try {
        if (end->open) channel.end_waits_through(*end, "a channel's handle");
    } catch (const wrong_thread&) {
        TOMBOLO_ASSERT(false, "a handle of a channel is destroyed on another thread while tasks wait for the channel");
    }
    delete end;
    channel.release();
}

void channel_state::release() noexcept {
    if (--holders_ == 0) delete this;
}

void channel_state::close(channel_end& end, const char* what) {
    if (!end.open) return;
    if (thread_ != __builtin_thread_pointer()) refuse(&end, what);
    end_waits_through(end, what);
}

void channel_state::end_waits_through(channel_end& end, const char* what) {
    const bool is_last = (end.sends ? open_senders_ : open_receivers_) == 1;
    if (end.waiting != 0)
        for (const waiters* own : {&senders_, &receivers_, &demand_}) require_own_waiters(*own, &end, what);
    if (is_last && end.sends) require_own_waiters(receivers_, nullptr, what);
    if (is_last && !end.sends)
        for (const waiters* other : {&senders_, &demand_}) require_own_waiters(*other, nullptr, what);

    end.open = false;
    --(end.sends ? open_senders_ : open_receivers_);
    if (end.waiting != 0)
        for (waiters* own : {&senders_, &receivers_, &demand_}) end_waits(*own, &end, channel_verdict::closed, what);
    if (is_last && end.sends) end_waits(receivers_, nullptr, channel_verdict::ended, what);
    if (is_last && !end.sends) {
        for (waiters* other : {&senders_, &demand_}) end_waits(*other, nullptr, channel_verdict::broken, what);
        drop_values();
    }
}

void channel_state::end_waits(waiters& queue, const channel_end* through, channel_verdict verdict, const char* what) {
    for (auto next = queue.begin(); next != queue.end();) {
        channel_waiter& waiter = *next++;
        if (concerns(waiter, through)) end_wait(waiter, verdict, what);
    }
}

void channel_state::fail_wait(channel_waiter& waiter, std::exception_ptr error) {
    lowlevel::reschedule(*waiter.wait.waiter, std::move(error));
    forget(waiter);
}

void channel_state::tell_verdict(channel_waiter& self) {
    const char* const what = self.wait.where;
    switch (self.verdict) {
    case channel_verdict::done:
    case channel_verdict::ended:
        return;
    case channel_verdict::closed:
        throw closed_resource(text_for(what, "this end of the channel was closed by another task during the wait"));
    case channel_verdict::broken:
        throw_broken(what);
    case channel_verdict::none:
        forget(self);
        throw invalid_reschedule(text_for(
            what, "the task was rescheduled by code that is not the channel's; reschedule only tasks that you parked"));
    }
}

void channel_state::throw_broken(const char* what) {
    throw broken_resource(text_for(what, "no receiver is open any more, so nobody would ever get the value"));
}

void channel_state::throw_ended(const char* what) {
    throw end_of_channel(text_for(what, "all senders are closed and nothing is left in the channel"));
}

void channel_state::refuse(const channel_end* end, const char* what) {
    if (end == nullptr)
        throw closed_resource(text_for(what, "this handle was moved from; use the one that it was moved to"));
    if (!end->open)
        throw closed_resource(text_for(what, "this end of the channel is closed; clone() it first to keep one open"));
    throw wrong_thread(text_for(
        what,
        "a channel is used on the thread that opened it and nowhere else; from other threads go through a run_token or "
        "tombolo::from_thread"));
}

channel_statistics channel_state::statistics(const channel_end* end) noexcept {
    if (end == nullptr) return {};
    const channel_state& self = end->channel;
    return {
        .current_buffer_used = self.buffered(),
        .max_buffer_size = self.capacity_,
        .open_senders = self.open_senders_,
        .open_receivers = self.open_receivers_,
        .tasks_waiting_send = self.senders_.count(),
        .tasks_waiting_receive = self.receivers_.count(),
        .peak_buffer_used = self.peak_,
    };
}

kept_channel::kept_channel(const channel_end* end) noexcept : channel_(end != nullptr ? &end->channel : nullptr) {
    if (channel_ != nullptr) ++channel_->holders_;
}

kept_channel::~kept_channel() {
    if (channel_ != nullptr) channel_->release();
}

}  // namespace tombolo::kernel
