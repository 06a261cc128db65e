#include <tombolo/fibers/to_thread.hpp>

#include "fibers/thread_calls.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/run_local.hpp>

#include <memory>
#include <thread>

namespace tombolo {

namespace kernel {

namespace {

/// Goes when its run goes, and not while a thread is still on its way out of it.
struct thread_calls_of_run {
    std::shared_ptr<thread_calls> calls = std::make_shared<thread_calls>();

    thread_calls_of_run() = default;
    thread_calls_of_run(const thread_calls_of_run&) = delete;
    thread_calls_of_run& operator=(const thread_calls_of_run&) = delete;
    ~thread_calls_of_run() {
        while (calls->departing.load(std::memory_order_acquire) != 0) std::this_thread::yield();
    }
};

run_local<std::shared_ptr<thread_calls_of_run>> calls_of_run;

class active_call {
public:
    explicit active_call(thread_calls& calls) noexcept : calls_(calls) { ++calls_.active; }
    active_call(const active_call&) = delete;
    active_call& operator=(const active_call&) = delete;
    ~active_call() {
        if (--calls_.active == 0) calls_.until_none.unpark_all();
    }

private:
    thread_calls& calls_;
};

}  // namespace

const std::shared_ptr<thread_calls>& thread_calls_here() {
    if (const auto known = calls_of_run.get(nullptr)) return known->calls;
    calls_of_run.set(std::make_shared<thread_calls_of_run>());
    return calls_of_run.get()->calls;
}

void call_in_thread(thread_call& call, const to_thread_options& options) {
    if (!in_run())
        throw not_in_run(
            "to_thread: no run is active on this thread, so it may block as it is; call the function directly");
    kernel::checkpoint_if_cancelled("to_thread");
    call.start(options);
    const active_call counted(*thread_calls_here());
    call.wait();
}

std::size_t active_thread_calls() { return thread_calls_here()->active; }

void wait_for_thread_calls() {
    thread_calls& calls = *thread_calls_here();
    if (calls.active == 0) return checkpoint();
    while (calls.active != 0) calls.until_none.park();
}

}  // namespace kernel

capacity_limiter& current_default_thread_limiter() { return kernel::thread_calls_here()->limiter; }

}  // namespace tombolo
