#include <tombolo/fibers/thread_cache.hpp>

#include "fibers/worker_threads.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/exception_group.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tombolo::kernel {

namespace {

constexpr const char* default_thread_name = "tombolo worker";

static_assert(sizeof(std::atomic<std::uint32_t>) == 4, "the kernel looks at the word of a futex");

}  // namespace

/// A thread of the cache, from its own point of view. Lives on the thread's stack.
///
/// Invariants, all guarded by the cache's mutex:
/// 1. In the list of idle threads <=> nobody has given it a job since it declared itself idle.
/// 2. Only a thread that is in that list may take itself out and end; so an assigned job is always performed.
class worker_thread {
public:
    explicit worker_thread(thread_job* first) noexcept : job_(first), door_(assigned) {}
    worker_thread(const worker_thread&) = delete;
    worker_thread& operator=(const worker_thread&) = delete;

    /// Serves jobs until it has been idle for too long.
    void serve() noexcept;

    /// Gives the thread its next job and wakes it. Requires: taken out of the list by the caller, who holds the mutex no more.
    void assign(thread_job* job) noexcept {
        job_ = job;
        const auto* address = &door_;
        // Once the door says `assigned` the thread may end and take this object with it: the kernel only gets an address.
        if (door_.exchange(assigned, std::memory_order_acq_rel) == asleep) wake(address);
    }

    /// Makes a sleeping thread look at the idle limit again. Requires: in the list, whose mutex the caller holds.
    void nudge() noexcept {
        std::uint32_t seen = asleep;
        if (door_.compare_exchange_strong(seen, open)) wake(&door_);
    }

    worker_thread* older = nullptr;
    worker_thread* newer = nullptr;

private:
    enum : std::uint32_t { open, asleep, assigned };

    static void wake(const std::atomic<std::uint32_t>* door) noexcept {
        ::syscall(SYS_futex, door, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    }
    void perform(thread_job& job) noexcept;
    bool wait_for_job() noexcept;

    thread_job* job_;
    std::atomic<std::uint32_t> door_;
};

namespace {

/// The idle threads, the newest first. Never destroyed: threads use it for as long as the process lives.
struct thread_list {
    std::mutex mutex;
    worker_thread* newest = nullptr;
    std::atomic<std::chrono::nanoseconds::rep> idle_limit{std::chrono::nanoseconds(std::chrono::seconds(10)).count()};
    std::atomic<int> refusals{0};

    void add(worker_thread& idle) noexcept {
        idle.older = newest;
        idle.newer = nullptr;
        if (newest != nullptr) newest->newer = &idle;
        newest = &idle;
    }
    void remove(worker_thread& idle) noexcept {
        if (idle.older != nullptr) idle.older->newer = idle.newer;
        if (idle.newer != nullptr) idle.newer->older = idle.older;
        if (newest == &idle) newest = idle.older;
        idle.older = idle.newer = nullptr;
    }
    bool contains(const worker_thread& thread) const noexcept { return newest == &thread || thread.newer != nullptr; }
};
constinit thread_list idle_threads;

/// The worker that this thread is; null on every other thread.
thread_local constinit worker_thread* this_worker __attribute__((tls_model("initial-exec"))) = nullptr;

void name_this_thread(const char* name) noexcept { ::pthread_setname_np(::pthread_self(), name); }

void report_failed_delivery(const std::exception_ptr& error) noexcept {
    try {
        std::fprintf(
            stderr, "tombolo: start_thread_soon: the deliver function threw; ignored: %s\n", describe(error).c_str());
    } catch (...) {
        std::fputs("tombolo: start_thread_soon: the deliver function threw; ignored\n", stderr);
    }
}

}  // namespace

void thread_job::name_thread(std::string_view name) noexcept {
    const std::size_t length = std::min(name.size(), sizeof name_ - 1);
    name.copy(name_, length);
    name_[length] = '\0';
}

void worker_thread::perform(thread_job& job) noexcept {
    if (job.name_[0] != '\0') {
        name_this_thread(job.name_);
        job.perform();
        name_this_thread(default_thread_name);
    } else {
        job.perform();
    }
    // Idle first, deliver then: whoever is told of the result may start the next job, and shall find this thread.
    door_.store(open, std::memory_order_relaxed);
    {
        const std::lock_guard lock(idle_threads.mutex);
        idle_threads.add(*this);
    }
    try {
        job.deliver();
    } catch (...) {
        report_failed_delivery(std::current_exception());
    }
    job.release();
}

bool worker_thread::wait_for_job() noexcept {
    for (;;) {
        std::uint32_t seen = open;
        if (!door_.compare_exchange_strong(seen, asleep) && seen == assigned) return true;
        const std::chrono::nanoseconds limit(idle_threads.idle_limit.load());
        const timespec timeout{
            static_cast<std::time_t>(limit.count() / 1'000'000'000), static_cast<long>(limit.count() % 1'000'000'000)};
        const long woken = ::syscall(SYS_futex, &door_, FUTEX_WAIT_PRIVATE, asleep, &timeout, nullptr, 0);
        const bool timed_out = woken != 0 && errno == ETIMEDOUT;
        if (door_.load(std::memory_order_acquire) == assigned) return true;
        if (!timed_out) continue;
        const std::lock_guard lock(idle_threads.mutex);
        if (idle_threads.contains(*this)) {
            idle_threads.remove(*this);
            return false;
        }
        // Somebody took this thread out of the list and is about to tell it.
    }
}

void worker_thread::serve() noexcept {
    name_this_thread(default_thread_name);
    do perform(*std::exchange(job_, nullptr));
    while (wait_for_job());
}

namespace {

void* run_worker(void* first) noexcept {
    worker_thread self(static_cast<thread_job*>(first));
    this_worker = &self;
    self.serve();
    return nullptr;
}

/// Blocks the signals of this thread that are no faults, for as long as it lives.
class signals_blocked {
public:
    signals_blocked() noexcept {
        sigset_t all;
        ::sigfillset(&all);
        for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) ::sigdelset(&all, fault);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    signals_blocked(const signals_blocked&) = delete;
    signals_blocked& operator=(const signals_blocked&) = delete;
    ~signals_blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_;
};

bool refused_for_a_test() noexcept {
    int left = idle_threads.refusals.load();
    while (left > 0)
        if (idle_threads.refusals.compare_exchange_weak(left, left - 1)) return true;
    return false;
}

int create_thread(thread_job* first) noexcept {
    if (refused_for_a_test()) return EAGAIN;
    // The new thread inherits the mask, so no signal can reach it before it has set one itself.
    const signals_blocked blocked;
    pthread_attr_t detached;
    if (const int error = ::pthread_attr_init(&detached); error != 0) return error;
    ::pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_t thread;
    const int error = ::pthread_create(&thread, &detached, run_worker, first);
    ::pthread_attr_destroy(&detached);
    return error;
}

/// A fork copies the list but only one of the threads, and must not copy the mutex in the middle of a change.
void register_fork_handlers() {
    static const int error = ::pthread_atfork(
        [] { idle_threads.mutex.lock(); }, [] { idle_threads.mutex.unlock(); },
        [] {
            const bool idle = this_worker != nullptr && idle_threads.contains(*this_worker);
            idle_threads.newest = nullptr;
            if (idle) idle_threads.add(*this_worker);
            idle_threads.mutex.unlock();
        });
    if (error != 0)
        throw std::system_error(error, std::generic_category(), "tombolo: pthread_atfork, for the thread cache");
}

worker_thread* take_newest() noexcept {
    const std::lock_guard lock(idle_threads.mutex);
    worker_thread* newest = idle_threads.newest;
    if (newest != nullptr) idle_threads.remove(*newest);
    return newest;
}

}  // namespace

void start_thread_job(thread_job_owner job) {
    if (worker_thread* idle = take_newest()) return idle->assign(job.release());
    register_fork_handlers();
    if (const int error = create_thread(job.get()); error != 0)
        throw thread_exhausted(
            "start_thread_soon: the system gives no further thread (" + std::generic_category().message(error) +
            "); let fewer jobs run at a time (a capacity_limiter does that), or raise the limit on processes and "
            "threads (ulimit -u, the pids limit of the container, vm.max_map_count)");
    job.release();
}

std::chrono::nanoseconds idle_thread_limit(std::chrono::nanoseconds limit) noexcept {
    const std::chrono::nanoseconds before(idle_threads.idle_limit.exchange(limit.count()));
    const std::lock_guard lock(idle_threads.mutex);
    for (worker_thread* idle = idle_threads.newest; idle != nullptr; idle = idle->older) idle->nudge();
    return before;
}

void refuse_new_threads(int count) noexcept { idle_threads.refusals.store(count); }

}  // namespace tombolo::kernel
