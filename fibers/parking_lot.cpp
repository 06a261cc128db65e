#include <tombolo/fibers/parking_lot.hpp>

#include "fibers/core/quick_park.hpp"
#include "fibers/core/run_context.hpp"
#include "fibers/core/scheduling.hpp"
#include "fibers/core/task_state.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/park.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace tombolo {

namespace kernel {

namespace {

task_state& sleeper_in(parked_waiter& place) noexcept { return static_cast<task_state&>(*place.wait.waiter); }

/// `from` is not the run of this thread.
[[noreturn, gnu::cold, gnu::noinline]] void refuse_wrong_thread(const run_state* from, const char* what) {
    require_same_run(from, what);
    throw wrong_thread(what);
}

}  // namespace

struct lot_access {
    using lot = lowlevel::parking_lot;

    static void join(lot& target, parked_waiter& here) noexcept {
        here.lot = &target;
        target.waiters_.push_back(here);
        ++target.size_;
    }

    static void leave(parked_waiter& here) noexcept {
        here.unlink();
        --here.lot->size_;
    }

    static bool admits(const lot& target) noexcept {
        return !target.broken() && (target.waiters_.empty() || target.is_on_own_thread());
    }

    /// Why not.
    [[noreturn, gnu::cold, gnu::noinline]] static void refuse(const parked_waiter& here) {
        here.lot->require_unbroken(here.wait.where);
        refuse_wrong_thread(sleeper_in(here.lot->waiters_.front()).run, here.wait.where);
    }

    /// Room for `self`, if the lot takes it.
    static void enter(parked_waiter& here, task_state& self) {
        if (!admits(*here.lot)) [[unlikely]]
            refuse(here);
        here.wait.waiter = &self;
        join(*here.lot, here);
    }

    /// Takes out those in front whom somebody else has rescheduled: they wake up by themselves, and find out.
    static void drop_strays(lot& from) noexcept {
        while (!from.waiters_.empty()) {
            parked_waiter& first = from.waiters_.front();
            if (sleeper_in(first).wait == &first.wait) [[likely]]
                return;
            leave(first);
            first.lot = nullptr;
        }
    }

    /// Takes the longest waiting task out and wakes it; null when nobody waits any more. Requires: the lot is on its own
    /// thread.
    static task_state* wake_first(lot& from) noexcept {
        drop_strays(from);
        if (from.waiters_.empty()) return nullptr;
        parked_waiter& first = from.waiters_.front();
        task_state& sleeper = sleeper_in(first);
        first.unlink();
        --from.size_;
        // As wake(sleeper), but for where the run comes from: the thread knows it at once, while every step to come would
        // wait for a walk through the sleeper's memory.
        run_state* run = this_thread.run;
        asm("" : "+r"(run));  // or the compiler takes it from the sleeper, as the two are known to be equal
        // One that is aborted while it goes to sleep is in the queue still.
        if (run_queue::contains(sleeper)) [[unlikely]] {
            wake(sleeper);
            return &sleeper;
        }
        first.wait.abort_fn = nullptr;
        sleeper.wait = nullptr;
        sleeper.sleep_data = nullptr;
        make_runnable(*run, sleeper);
        return &sleeper;
    }

    /// After a wait that the lot did not end.
    [[noreturn, gnu::cold, gnu::noinline]] static void refuse_stray(const parked_waiter& here) {
        throw invalid_reschedule(
            std::string(here.wait.where) +
            ": the task was rescheduled by code that is not the parking lot's; reschedule only tasks that you parked");
    }

    static void wake_with_error(parked_waiter& waiter, std::exception_ptr error) noexcept {
        leave(waiter);
        waiter.wait.error = std::move(error);
        wake(sleeper_in(waiter));
    }

    static void break_next(task_state& exiting) noexcept {
        lowlevel::lot_owner& answer = *exiting.answers_for;
        answer.answer_no_longer();
        answer.lot_.break_lot(&exiting);
    }
};

lowlevel::abort leave_lot(void* waiter, const lowlevel::raise_cancel& /*raise*/) {
    lot_access::leave(*static_cast<parked_waiter*>(waiter));
    return lowlevel::abort::succeeded;
}

#if defined(TOMBOLO_INLINE_CHECKPOINT)

switch_plan begin_parking(parked_waiter& here) {
    task_state& self = require_may_park(here.wait.where);
    lot_access::enter(here, self);
    return plan_park(*this_thread.run, self, here.wait);
}

void end_parking(parked_waiter& here) {
    const bool stray = here.linked() || here.lot == nullptr;
    if (here.linked()) [[unlikely]]
        lot_access::leave(here);
    wake_up_in(sleeper_in(here), here.wait);
    if (stray) [[unlikely]]
        lot_access::refuse_stray(here);
}

#else

void park_in_lot(parked_waiter& here) {
    lot_access::enter(here, require_may_park(here.wait.where));
    bool stray = false;
    {
        const scope_exit withdraw([&] {
            stray = here.linked() || here.lot == nullptr;
            if (here.linked()) lot_access::leave(here);
        });
        park(here.wait);
    }
    if (stray) lot_access::refuse_stray(here);
}

#endif

void break_lots_of(task_state& exiting) noexcept {
    TOMBOLO_ASSERT(
        static_cast<void*>(static_cast<lock_holder*>(&exiting)) == &exiting, "a task's record begins with its locks");
    while (exiting.answers_for != nullptr) lot_access::break_next(exiting);
}

}  // namespace kernel

namespace lowlevel {

kernel::lot_keepers& parking_lot::keepers() {
    if (keepers_ == nullptr) keepers_ = std::make_unique<kernel::lot_keepers>();
    return *keepers_;
}

void parking_lot::require_unbroken(const char* what) const {
    if (!broken()) return;
    std::string text = what;
    text += ": broken because a task that must keep it in order has exited or gave it up:";
    for (const std::string& name : keepers_->broken_by) text += " \"" + name + "\"";
    throw broken_resource(text);
}

bool parking_lot::is_on_own_thread() const noexcept {
    return kernel::sleeper_in(*waiters_.begin()).run == kernel::this_thread.run;
}

void parking_lot::require_own_thread(const char* what) const {
    if (!waiters_.empty() && !is_on_own_thread()) [[unlikely]]
        kernel::refuse_wrong_thread(kernel::sleeper_in(*waiters_.begin()).run, what);
}

std::vector<task*> parking_lot::unpark(std::size_t count) {
    require_own_thread("parking_lot::unpark");
    std::vector<task*> woken;
    woken.reserve(std::min(count, size_));
    for (; count > 0; --count) {
        kernel::task_state* const next = kernel::lot_access::wake_first(*this);
        if (next == nullptr) break;
        woken.push_back(next);
    }
    return woken;
}

std::vector<task*> parking_lot::unpark_all() { return unpark(size_); }

task* parking_lot::unpark_one() {
    if (waiters_.empty()) return nullptr;
    require_own_thread("parking_lot::unpark_one");
    return kernel::lot_access::wake_first(*this);
}

task* parking_lot::first() noexcept {
    kernel::lot_access::drop_strays(*this);
    return waiters_.empty() ? nullptr : waiters_.front().wait.waiter;
}

void parking_lot::repark(parking_lot& other, std::size_t count) {
    if (&other == this) throw usage_error("parking_lot::repark: the target is this very lot; give another one");
    require_own_thread("parking_lot::repark");
    for (; count > 0 && first() != nullptr; --count) {
        kernel::parked_waiter& first = waiters_.front();
        try {
            other.require_unbroken(first.wait.where);
        } catch (const broken_resource&) {
            kernel::lot_access::wake_with_error(first, std::current_exception());
            continue;
        }
        kernel::lot_access::leave(first);
        kernel::lot_access::join(other, first);
    }
}

void parking_lot::repark_all(parking_lot& other) { repark(other, size_); }

void parking_lot::break_lot(const task* breaker) {
    require_own_thread("parking_lot::break_lot");
    keepers().broken_by.push_back(
        (breaker != nullptr ? *breaker : kernel::require_task("parking_lot::break_lot")).name());
    while (first() != nullptr) {
        kernel::parked_waiter& next = waiters_.front();
        try {
            require_unbroken(next.wait.where);
        } catch (const broken_resource&) {
            kernel::lot_access::wake_with_error(next, std::current_exception());
        }
    }
}

bool lot_owner::try_take_slowly() {
    kernel::task_state& self = kernel::require_task("lot_owner::try_take");
    if (owner_ != nullptr || lot_.broken()) return false;
    answer(self);
    return true;
}

void lot_owner::require_current_task(const char* what) const {
    const kernel::task_state* self = kernel::current_task();
    if (owner_ != nullptr && owner_ == self) [[likely]]
        return;
    const std::string name = kernel::require_task(what).name();
    throw not_owner(
        std::string(what) + ": task \"" + name + "\" is not the owner: " +
        (owner_ != nullptr ? "task \"" + get()->name() + "\" is; let that task do it" : "nobody is; lock it first"));
}

void lot_owner::hand_over_slowly(const char* what) {
    if (owner_ == nullptr && lot_.broken()) return;
    require_current_task(what);
    lot_.require_own_thread(what);
    kernel::task_state* next = kernel::lot_access::wake_first(lot_);
    answer_no_longer();
    if (next != nullptr) answer(*next);
}

task* lot_owner::get() const noexcept { return static_cast<kernel::task_state*>(owner_); }

void lot_owner::answer_no_longer() noexcept {
    lot_owner** link = &owner_->answers_for;
    while (*link != this) link = &(*link)->next_;
    *link = next_;
    owner_ = nullptr;
}

void add_parking_lot_breaker(task& owner, parking_lot& lot) {
    lot.keepers().breakers.emplace_back(lot).answer(static_cast<kernel::task_state&>(owner));
}

void remove_parking_lot_breaker(task& owner, parking_lot& lot) {
    auto& breakers = lot.keepers().breakers;
    const auto registered = std::ranges::find(breakers, &owner, &lot_owner::get);
    if (registered == breakers.end())
        throw not_a_breaker(
            "remove_parking_lot_breaker: task \"" + owner.name() +
            "\" is not registered to break this lot; remove as often as you added");
    breakers.erase(registered);
}

}  // namespace lowlevel
}  // namespace tombolo
