#pragma once

#include <tombolo/base/outcome.hpp>
#include <tombolo/fibers/kernel/callable_ref.hpp>

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace tombolo {

namespace kernel {

/// What a cached thread is to do. For libraries that want no allocation beside their own record; everybody else calls
/// start_thread_soon.
class thread_job {
public:
    thread_job() noexcept = default;
    thread_job(const thread_job&) = delete;
    thread_job& operator=(const thread_job&) = delete;

    /// Under which name the operating system knows the thread during perform(); cut to 15 bytes. Empty: as it is.
    void name_thread(std::string_view name) noexcept;

    /// The work, under the job's thread name.
    virtual void perform() noexcept = 0;
    /// Hands the result over. The thread counts as idle already: a job that is started from here may run on it next.
    virtual void deliver() = 0;
    /// The last call: the thread has no more business with the job.
    virtual void release() noexcept = 0;

protected:
    ~thread_job() = default;

private:
    friend class worker_thread;
    char name_[16] = {};
};

struct release_thread_job {
    void operator()(thread_job* job) const noexcept { job->release(); }
};
using thread_job_owner = std::unique_ptr<thread_job, release_thread_job>;

/// Throws: thread_exhausted; the job is released then, neither performed nor delivered.
void start_thread_job(thread_job_owner job);

template <class F, class Deliver>
class stored_thread_job final : public thread_job {
    using result = std::invoke_result_t<F&>;

public:
    template <class G, class D>
    stored_thread_job(G&& fn, D&& deliver) : fn_(std::forward<G>(fn)), deliver_(std::forward<D>(deliver)) {}

    void perform() noexcept override {
        result_.emplace(outcome<result>::capture(*fn_));
        fn_.reset();
    }
    void deliver() override { std::invoke(deliver_, std::move(*result_)); }
    void release() noexcept override { delete this; }

private:
    std::optional<F> fn_;
    Deliver deliver_;
    std::optional<outcome<result>> result_;
};

}  // namespace kernel

namespace lowlevel {

/// Calls `deliver(outcome of fn())` on a thread of the process-wide cache, as soon as the operating system lets it. For
/// building to_thread and its like; in a task use to_thread, which waits, limits and cancels.
///
/// The cache is unbounded: there is always a thread, the one that became idle last where one is idle, otherwise a new one.
/// A thread that had nothing to do for 10 s ends. `fn` is destroyed before `deliver` is called; what `deliver` throws is
/// printed and ignored. The threads have every signal blocked but those that tell of a fault (SIGSEGV and its kin): signals
/// are for the program's own threads. A process that `fn` starts inherits this.
///
/// `name` is the thread's name in the operating system while `fn` runs, cut to 15 bytes; empty: "tombolo worker".
///
/// The threads do not keep the process alive: at exit nobody waits for them.
/// Checkpoint: never. Throws: thread_exhausted when the system gives no further thread; usage_error for an empty function.
/// Nothing is called then. Callable from: any thread, also from `fn` and `deliver`.
/// Fork: a child starts with an empty cache; what the parent's threads were doing does not go on there.
/// Source: trio.lowlevel.start_thread_soon.
template <class F, class Deliver>
    requires std::invocable<std::decay_t<F>&> &&
    std::invocable<std::decay_t<Deliver>&, outcome<std::invoke_result_t<std::decay_t<F>&>>>
void start_thread_soon(F&& fn, Deliver&& deliver, std::string_view name = {}) {
    if constexpr (!std::is_function_v<std::remove_reference_t<F>>)
        if (kernel::is_empty_callable(fn)) kernel::throw_empty_function("start_thread_soon");
    if constexpr (!std::is_function_v<std::remove_reference_t<Deliver>>)
        if (kernel::is_empty_callable(deliver)) kernel::throw_empty_function("start_thread_soon");
    using job = kernel::stored_thread_job<std::decay_t<F>, std::decay_t<Deliver>>;
    std::unique_ptr<job, kernel::release_thread_job> made(new job(std::forward<F>(fn), std::forward<Deliver>(deliver)));
    made->name_thread(name);
    kernel::start_thread_job(std::move(made));
}

}  // namespace lowlevel
}  // namespace tombolo
