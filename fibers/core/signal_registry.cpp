#include "fibers/core/signal_registry.hpp"

#include <tombolo/base/assert.hpp>
#include <tombolo/fibers/errors.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>

#include <pthread.h>
#include <unistd.h>

namespace tombolo::kernel {

namespace {

/// One signal number.
///
/// Invariants:
/// 1. `newest` leads, through `older`, to all subscribers. It changes under the registry's mutex; the handler walks it
///    without, counted in `handlers_running`, and whoever takes a subscriber out waits until that is 0.
/// 2. Between the subscribers stands, marked by holds_displaced, the oldest of each stretch for which our handler was
///    installed once: what it displaced then belongs to the whole stretch. There is more than one stretch only when
///    somebody installed a handler over ours and was displaced in turn.
struct signal_entry {
    std::atomic<signal_subscriber*> newest{nullptr};
    std::atomic<int> handlers_running{0};
    /// What was there before the first subscriber: for signals that find our handler though nobody subscribes any more,
    /// because somebody who displaced it put it back later.
    std::atomic<void (*)(int)> beneath{nullptr};
    std::atomic<int> beneath_flags{0};
};

// Never destroyed: handlers and subscribers of other threads may be there until the very end.
constinit std::array<signal_entry, NSIG> entries{};
constinit std::atomic<std::uint64_t> arrivals{0};
constinit std::mutex registry_mutex;

static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<void (*)(int)>::is_always_lock_free);

signal_entry& entry_of(int signal_number) noexcept { return entries[static_cast<std::size_t>(signal_number)]; }

struct sigaction beneath_of(const signal_entry& entry) noexcept {
    struct sigaction action = {};
    action.sa_handler = entry.beneath.load(std::memory_order_relaxed);
    action.sa_flags = entry.beneath_flags.load(std::memory_order_relaxed);
    sigemptyset(&action.sa_mask);
    return action;
}

/// The signal becomes pending once more and meets its own disposition when the handler returns.
void leave_to_the_program(int signal_number, const signal_entry& entry) noexcept {
    const struct sigaction action = beneath_of(entry);
    if (action.sa_handler == SIG_IGN) return;
    ::sigaction(signal_number, &action, nullptr);
    ::raise(signal_number);
}

extern "C" void tombolo_on_signal(int signal_number) {
    const int saved_errno = errno;
    signal_entry& entry = entry_of(signal_number);
    entry.handlers_running.fetch_add(1, std::memory_order_seq_cst);
    const std::uint64_t arrival = arrivals.fetch_add(1, std::memory_order_relaxed) + 1;
    bool told = false;
    signal_subscriber* last_resort = nullptr;
    for (signal_subscriber* each = entry.newest.load(std::memory_order_seq_cst); each != nullptr;
         each = each->older.load(std::memory_order_seq_cst)) {
        if (each->last_resort) {
            last_resort = each;
        } else {
            told |= each->tell(*each, arrival);
        }
    }
    if (!told && last_resort != nullptr) told = last_resort->tell(*last_resort, arrival);
    if (!told) leave_to_the_program(signal_number, entry);
    entry.handlers_running.fetch_sub(1, std::memory_order_seq_cst);
    errno = saved_errno;
}

bool is_ours(const struct sigaction& action) noexcept {
    return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == tombolo_on_signal;
}

bool is_default(const struct sigaction& action) noexcept {
    return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
}

/// A handler may be under way on another thread while that forks: it does not exist in the child.
void forget_handlers_of_other_threads() noexcept {
    for (signal_entry& entry : entries) entry.handlers_running.store(0, std::memory_order_relaxed);
    registry_mutex.unlock();
}

void watch_forks() noexcept {
    static const int watched = ::pthread_atfork(
        [] { registry_mutex.lock(); }, [] { registry_mutex.unlock(); }, forget_handlers_of_other_threads);
    static_cast<void>(watched);
}

int install(int signal_number) noexcept {
    struct sigaction ours = {};
    ours.sa_handler = tombolo_on_signal;
    // On the alternate stack, where there is one: the running fiber's may be small. All signals wait meanwhile, so that it
    // takes no more than one frame.
    ours.sa_flags = SA_RESTART | SA_ONSTACK;
    sigfillset(&ours.sa_mask);
    return ::sigaction(signal_number, &ours, nullptr) == 0 ? 0 : errno;
}

/// What our handler, which is installed, took the place of. Requires: the mutex.
struct sigaction displaced_now(const signal_entry& entry) noexcept {
    for (const signal_subscriber* each = entry.newest.load(); each != nullptr; each = each->older.load())
        if (each->holds_displaced) return each->displaced;
    return beneath_of(entry);
}

/// Links `added` and installs our handler where it is not. Requires: the mutex. Returns an errno value.
int add(int signal_number, signal_subscriber& added, const struct sigaction& present) noexcept {
    signal_entry& entry = entry_of(signal_number);
    signal_subscriber* const newest = entry.newest.load();
    const bool ours_already = is_ours(present);
    added.holds_displaced = newest == nullptr || !ours_already;
    if (added.holds_displaced) added.displaced = ours_already ? beneath_of(entry) : present;
    if (newest == nullptr && !ours_already) {
        entry.beneath.store(present.sa_handler, std::memory_order_relaxed);
        entry.beneath_flags.store(present.sa_flags, std::memory_order_relaxed);
    }
    added.told_from = arrivals.load(std::memory_order_relaxed);
    added.older.store(newest, std::memory_order_relaxed);
    // First the subscriber, then the handler: no signal finds one without the other.
    entry.newest.store(&added, std::memory_order_seq_cst);
    const int error = ours_already ? 0 : install(signal_number);
    if (error != 0) entry.newest.store(newest, std::memory_order_seq_cst);
    return error;
}

/// `removed`, which has left the list between `newer` (null: there was none) and older ones, held what was displaced.
void settle_displaced(int signal_number, const signal_subscriber& removed, signal_subscriber* newer) noexcept {
    if (newer != nullptr && !newer->holds_displaced) {
        newer->holds_displaced = true;
        newer->displaced = removed.displaced;
        return;
    }
    struct sigaction present = {};
    if (newer == nullptr && ::sigaction(signal_number, nullptr, &present) == 0 && is_ours(present))
        ::sigaction(signal_number, &removed.displaced, nullptr);
}

[[noreturn]] void throw_not_receivable(int signal_number, const char* what, const std::string& why) {
    throw invalid_signal(std::string(what) + ": signal " + std::to_string(signal_number) + " " + why);
}

}  // namespace

void require_receivable(int signal_number, const char* what) {
    switch (signal_number) {
    case SIGKILL:
    case SIGSTOP:
        throw_not_receivable(
            signal_number, what,
            std::string("(") + (signal_number == SIGKILL ? "SIGKILL" : "SIGSTOP") +
                ") cannot be caught by any program; ask whoever sends it to use SIGTERM or SIGTSTP");
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
    case SIGSYS:
        throw_not_receivable(
            signal_number, what,
            std::string("(") + ::strsignal(signal_number) +
                ") reports a fault of the instruction that runs, which cannot go on until somebody has received it; "
                "install a handler of your own with sigaction");
    default:
        break;
    }
    struct sigaction present = {};
    if (::sigaction(signal_number, nullptr, &present) != 0)
        throw_not_receivable(
            signal_number, what,
            "does not exist; use one of the SIG... constants of <csignal>, or SIGRTMIN to SIGRTMAX");
}

void subscribe(int signal_number, signal_subscriber& added) {
    watch_forks();
    const std::lock_guard lock(registry_mutex);
    struct sigaction present = {};
    int error = ::sigaction(signal_number, nullptr, &present) == 0 ? 0 : errno;
    if (error == 0) error = add(signal_number, added, present);
    if (error != 0)
        throw std::system_error(
            error, std::generic_category(), "tombolo: sigaction, for signal " + std::to_string(signal_number));
}

bool subscribe_as_last_resort(int signal_number, signal_subscriber& added) noexcept {
    watch_forks();
    const std::lock_guard lock(registry_mutex);
    const signal_entry& entry = entry_of(signal_number);
    struct sigaction present = {};
    if (::sigaction(signal_number, nullptr, &present) != 0) return false;
    if (!is_default(is_ours(present) ? displaced_now(entry) : present)) return false;
    for (const signal_subscriber* each = entry.newest.load(); each != nullptr; each = each->older.load())
        if (each->last_resort) return false;
    added.last_resort = true;
    return add(signal_number, added, present) == 0;
}

void unsubscribe(int signal_number, signal_subscriber& removed) noexcept {
    signal_entry& entry = entry_of(signal_number);
    {
        const std::lock_guard lock(registry_mutex);
        signal_subscriber* newer = nullptr;
        std::atomic<signal_subscriber*>* link = &entry.newest;
        while (link->load() != &removed) {
            newer = link->load();
            TOMBOLO_ASSERT(newer != nullptr, "only what is subscribed to a signal is unsubscribed");
            link = &newer->older;
        }
        // First the disposition: a signal that still finds the handler shall find somebody to tell, too.
        if (removed.holds_displaced) settle_displaced(signal_number, removed, newer);
        link->store(removed.older.load(), std::memory_order_seq_cst);
    }
    // A handler that runs on another thread is a few instructions from its end; on this one none can be under way.
    while (entry.handlers_running.load(std::memory_order_seq_cst) != 0) std::this_thread::yield();
}

void hand_on(int signal_number, std::uint64_t arrival) noexcept {
    {
        const std::lock_guard lock(registry_mutex);
        for (const signal_subscriber* each = entry_of(signal_number).newest.load(); each != nullptr;
             each = each->older.load())
            if (!each->last_resort && each->told_from < arrival) return;
    }
    raise_again(signal_number);
}

void raise_again(int signal_number) noexcept {
    sigset_t blocked;
    sigemptyset(&blocked);
    ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    // At once if it can be here; otherwise some other thread takes it, as it would have taken the original.
    if (::sigismember(&blocked, signal_number) == 1)
        ::kill(::getpid(), signal_number);
    else
        ::raise(signal_number);
}

}  // namespace tombolo::kernel
