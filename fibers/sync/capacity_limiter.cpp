#include <tombolo/fibers/capacity_limiter.hpp>

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/kernel/own_thread.hpp>
#include <tombolo/fibers/park.hpp>
#include <tombolo/fibers/task.hpp>

#include <exception>
#include <string>
#include <utility>

namespace tombolo {

namespace kernel {

/// A task that waits for a token: lives in the frame of its wait.
struct token_waiter : list_hook<by_limiter> {
    token_waiter(task& who, const void* for_whom) : sleeper(who) {
        std::set<const void*> only{for_whom};
        borrower = only.extract(only.begin());
    }

    task& sleeper;
    lowlevel::wait_ticket wait = lowlevel::next_wait();
    bool served = false;
    std::set<const void*>::node_type borrower;  ///< made beforehand, so that handing over cannot fail
};

}  // namespace kernel

namespace {

std::string text_for(const char* what, const char* problem) { return std::string(what) + ": " + problem; }

void require_borrower(const void* borrower, const char* what) {
    if (borrower == nullptr)
        throw usage_error(text_for(what, "the borrower is null; give the address of whatever uses the token"));
}

already_owner holds_one(const char* what) {
    return already_owner(text_for(
        what,
        "this borrower holds a token already; release it first, or acquire on behalf of something else: "
        "each borrower has at most one"));
}

}  // namespace

capacity_limiter::~capacity_limiter() {
    TOMBOLO_ASSERT(waiters_.empty(), "nobody may wait for a token of a capacity limiter that is destroyed");
}

bool capacity_limiter::take(const void* borrower, const char* what) {
    require_borrower(borrower, what);
    if (borrowers_.contains(borrower)) throw holds_one(what);
    if (available() == 0) return false;
    borrowers_.insert(borrower);
    return true;
}

void capacity_limiter::wait(const void* borrower, const char* where) {
    if (take(borrower, where)) return kernel::cancel_shielded_checkpoint(where);
    if (!waiters_.empty()) kernel::require_own_thread(waiters_.front().sleeper, where);
    kernel::token_waiter here(lowlevel::current_task(), borrower);
    waiters_.push_back(here);
    // Still linked when somebody else reschedules the task.
    const scope_exit withdraw([&] {
        if (here.linked()) here.unlink();
    });
    lowlevel::park(
        [&](const lowlevel::raise_cancel&) {
            here.unlink();
            return lowlevel::abort::succeeded;
        },
        where);
    if (!here.served)
        throw invalid_reschedule(text_for(
            where,
            "the task was rescheduled by code that is not the limiter's; reschedule only tasks that you parked"));
}

void capacity_limiter::give_back(const void* borrower, const char* what) {
    const auto token = borrowers_.find(borrower);
    if (token == borrowers_.end())
        throw not_owner(text_for(
            what, "this borrower holds no token; release once for each acquire, on behalf of the same borrower"));
    if (!waiters_.empty()) kernel::require_own_thread(waiters_.front().sleeper, what);
    borrowers_.erase(token);
    serve();
}

void capacity_limiter::serve() {
    while (!waiters_.empty() && available() > 0) {
        kernel::token_waiter& next = waiters_.pop_front();
        // Somebody else has rescheduled it: it will find out.
        if (next.wait.waiter() == nullptr) continue;
        next.served = true;
        if (borrowers_.insert(std::move(next.borrower)).inserted)
            lowlevel::reschedule(next.sleeper);
        else  // it waited twice at a time
            lowlevel::reschedule(next.sleeper, std::make_exception_ptr(holds_one("capacity_limiter::acquire")));
    }
}

void capacity_limiter::set_total(std::size_t new_total) {
    if (!waiters_.empty()) kernel::require_own_thread(waiters_.front().sleeper, "capacity_limiter::total");
    total_ = new_total;
    serve();
}

std::size_t capacity_limiter::available() const noexcept {
    return total_ > borrowers_.size() ? total_ - borrowers_.size() : 0;
}

void capacity_limiter::acquire() {
    kernel::checkpoint_if_cancelled("capacity_limiter::acquire");
    wait(&lowlevel::current_task(), "capacity_limiter::acquire");
}

bool capacity_limiter::try_acquire() { return take(&lowlevel::current_task(), "capacity_limiter::try_acquire"); }

void capacity_limiter::acquire_on_behalf_of(const void* borrower) {
    kernel::checkpoint_if_cancelled("capacity_limiter::acquire_on_behalf_of");
    wait(borrower, "capacity_limiter::acquire_on_behalf_of");
}

bool capacity_limiter::try_acquire_on_behalf_of(const void* borrower) {
    return take(borrower, "capacity_limiter::try_acquire_on_behalf_of");
}

void capacity_limiter::release() { give_back(&lowlevel::current_task(), "capacity_limiter::release"); }

void capacity_limiter::release_on_behalf_of(const void* borrower) {
    give_back(borrower, "capacity_limiter::release_on_behalf_of");
}

capacity_limiter_statistics capacity_limiter::statistics() const {
    return {total_, borrowed(), waiters_.count(), {borrowers_.begin(), borrowers_.end()}};
}

}  // namespace tombolo
