#include "fibers/watchdog_observer.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/exception_group.hpp>
#include <tombolo/fibers/task_tree.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <utility>

#include <pthread.h>
#include <unistd.h>

namespace tombolo {

namespace {

/// Its address tells threads apart.
thread_local constinit char mark_of_this_thread = 0;

/// A sink that blocks must not make the program collect trees without end.
constexpr std::size_t most_mail = 16;
/// So many looks in a row at a run that waits for events let the watchdog's thread sleep until the run goes on.
constexpr int looks_before_doze = 8;

duration since_epoch(const std::timespec& time) noexcept {
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

/// The threads that are started while it lives get no signals: those are for the program's own.
class signals_blocked {
public:
    signals_blocked() noexcept {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    signals_blocked(const signals_blocked&) = delete;
    signals_blocked& operator=(const signals_blocked&) = delete;
    ~signals_blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_;
};

}  // namespace

watchdog::observer::observer(watchdog_options options) : options_(std::move(options)) {}

duration watchdog::observer::look_every() const noexcept {
    return std::max<duration>(options_.threshold / 4, std::chrono::milliseconds(1));
}

bool watchdog::observer::watches_this_thread() const noexcept {
    return owner_.load(std::memory_order_relaxed) == &mark_of_this_thread;
}

void watchdog::observer::begin_run() {
    const std::lock_guard starting(starting_);
    if (owner_.load() != nullptr)
        throw usage_error("watchdog: it watches another run already; give every run a watchdog of its own");
    {
        const std::lock_guard lock(mutex_);
        if (::pthread_getcpuclockid(::pthread_self(), &cpu_clock_) != 0) cpu_clock_ = CLOCK_PROCESS_CPUTIME_ID;
        seen_ = {};
        stopping_ = false;
    }
    waits_ = false;
    asleep_ = dormant_ = false;
    if (options_.own_thread) {
        const signals_blocked not_there;
        process_ = ::getpid();
        thread_ = std::thread([this] { watch(); });
        ::pthread_setname_np(thread_.native_handle(), "watchdog");
    }
    stopped_ = false;
    owner_ = &mark_of_this_thread;
}

void watchdog::observer::end_run() {
    if (watches_this_thread()) stop();
    stopped_ = false;
}

void watchdog::observer::begin_step(const task& stepping) {
    if (!watches_this_thread()) [[unlikely]] {
        if (stopped_.load(std::memory_order_relaxed)) return;
        begin_run();  // it was added to a run that has begun
    }
    step_.begin(stepping);
}

void watchdog::observer::end_step(const task& stepping) {
    if (!watches_this_thread()) [[unlikely]]
        return;
    const std::uint64_t ended = step_.end();
    if (reported_.load(std::memory_order_relaxed) == ended) [[unlikely]]
        report_end(stepping);
}

void watchdog::observer::report_end(const task& stepping) {
    watchdog_report report{
        .what = watchdog_report::kind::ended, .task = stepping.name(), .task_id = stepping.id(), .tree = {}};
    {
        const std::lock_guard lock(mutex_);
        age(wall_time());
        report.lasted = seen_.age;
        report.cpu_time = cpu_time() - seen_.cpu_time_before;
    }
    if (options_.include_tree) report.tree = lowlevel::task_tree();
    {
        const std::lock_guard lock(mutex_);
        if (mail_.size() == most_mail) mail_.pop_front();
        mail_.push_back(std::move(report));
    }
    woken_.notify_one();
}

void watchdog::observer::begin_wait(duration longest) noexcept {
    if (longest <= duration::zero() || !watches_this_thread()) return;
    waits_ = true;
    asleep_.store(true, std::memory_order_relaxed);
}

void watchdog::observer::end_wait() noexcept {
    if (!waits_) return;
    waits_ = false;
    // Either doze() sees this store, or we see its.
    asleep_.store(false);
    if (!dormant_.load()) return;
    {
        const std::lock_guard lock(mutex_);
        dormant_ = false;
    }
    woken_.notify_one();
}

void watchdog::observer::doze(std::unique_lock<std::mutex>& lock) {
    dormant_ = true;
    if (asleep_.load()) woken_.wait(lock, [this] { return stopping_ || !dormant_; });
    dormant_ = false;
}

void watchdog::observer::watch() noexcept {
    std::unique_lock lock(mutex_);
    int idle_looks = 0;
    while (!stopping_) {
        woken_.wait_for(lock, look_every(), [this] { return stopping_ || !mail_.empty(); });
        lock.unlock();
        try_to_look();
        lock.lock();
        idle_looks = asleep_.load(std::memory_order_relaxed) ? idle_looks + 1 : 0;
        if (idle_looks < looks_before_doze || stopping_) continue;
        doze(lock);
        idle_looks = 0;
    }
    lock.unlock();
    try_to_look();
}

void watchdog::observer::try_to_look() noexcept {
    try {
        look();
    } catch (...) {
        // There was no memory for a report; the next look may find some.
    }
}

void watchdog::observer::stop() {
    if (is_inside_sink())
        throw usage_error(
            "watchdog::stop: the sink cannot wait for its own end; stop the watchdog from another thread");
    const std::lock_guard starting(starting_);
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    woken_.notify_all();
    join();
    deliver_mail();
    stopped_ = true;
    owner_ = nullptr;
}

void watchdog::observer::join() {
    if (!thread_.joinable()) return;
    // A forked child has no such thread, and would wait for ever.
    if (process_ == ::getpid())
        thread_.join();
    else
        thread_.detach();
}

void watchdog::observer::look() {
    deliver_mail();
    const std::lock_guard one_at_a_time(looking_);
    if (const std::optional<watchdog_report> due = inspect()) tell(*due);
}

std::optional<watchdog_report> watchdog::observer::inspect() {
    const std::lock_guard lock(mutex_);
    const std::uint64_t turn = step_.turn();
    if (stopping_ || !watched_step::in_step(turn)) return std::nullopt;
    const duration now = wall_time();
    if (turn != seen_.turn) {
        seen_ = {.turn = turn, .looked = now, .cpu_time_before = cpu_time(), .next_report = options_.threshold};
        return std::nullopt;
    }
    age(now);
    if (seen_.age < seen_.next_report) return std::nullopt;
    std::optional<watched_step::subject> who = step_.who(turn);
    if (!who) return std::nullopt;
    reported_.store(turn, std::memory_order_relaxed);
    while (seen_.next_report <= seen_.age) seen_.next_report *= 2;
    if (!options_.repeat) seen_.next_report = duration::max();
    return watchdog_report{
        .task = std::move(who->name),
        .task_id = who->task_id,
        .lasted = seen_.age,
        .cpu_time = cpu_time() - seen_.cpu_time_before,
        .tree = {}};
}

/// A process that was stopped, or a machine too busy to let the watchdog look, is no fault of the task's: time in which
/// nobody looked counts little.
void watchdog::observer::age(duration now) noexcept {
    const duration passed = now - seen_.looked;
    seen_.age += options_.own_thread ? std::min(passed, 4 * look_every()) : passed;
    seen_.looked = now;
}

void watchdog::observer::deliver_mail() {
    const std::lock_guard one_at_a_time(looking_);
    std::deque<watchdog_report> mail;
    {
        const std::lock_guard lock(mutex_);
        mail.swap(mail_);
    }
    for (const watchdog_report& report : mail) tell(report);
}

void watchdog::observer::tell(const watchdog_report& report) {
    try {
        if (options_.sink && !sink_failed_) {
            sink_caller_ = std::this_thread::get_id();
            options_.sink(report);
            sink_caller_ = std::thread::id();
            return;
        }
    } catch (...) {
        sink_caller_ = std::thread::id();
        sink_failed_ = true;
        const std::string error = describe(std::current_exception());
        std::fprintf(stderr, "tombolo: a watchdog's sink threw %s; its reports go to stderr now\n", error.c_str());
    }
    std::fprintf(stderr, "%s\n", report.to_string().c_str());
}

duration watchdog::observer::wall_time() const {
    return options_.wall_time ? options_.wall_time() : std::chrono::steady_clock::now().time_since_epoch();
}

duration watchdog::observer::cpu_time() const {
    if (options_.cpu_time) return options_.cpu_time();
    std::timespec used{};
    ::clock_gettime(cpu_clock_, &used);
    return since_epoch(used);
}

}  // namespace tombolo
