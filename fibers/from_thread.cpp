#include <tombolo/fibers/from_thread.hpp>

#include "fibers/thread_request.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/system_task.hpp>
#include <tombolo/fibers/thread_call.hpp>

#include <exception>
#include <memory>
#include <string>
#include <utility>

namespace tombolo {

namespace kernel {

namespace {

[[noreturn]] void throw_no_call(const std::string& what, const char* instead) {
    throw not_in_run(
        what + ": this thread does not work for a run: it was not started by to_thread, or its function has ended; " +
        instead);
}

void require_foreign_thread(const std::string& what) {
    if (in_run())
        throw wrong_thread(
            what +
            ": this thread has a run of its own, which would stand still, for ever if it is the one that is called; "
            "call "
            "the function directly, or through to_thread when it is another run's");
}

thread_call& require_call(const char* what) {
    thread_call* call = thread_call::current();
    if (call == nullptr) throw_no_call(what, "pass the run_token of the run that is meant");
    return *call;
}

std::exception_ptr finished(const char* text) { return std::make_exception_ptr(run_finished(text)); }

/// Answers a request even if whoever should have served it is destroyed before it ran.
class pending_answer {
public:
    explicit pending_answer(thread_request& request) noexcept : request_(&request) {}
    pending_answer(const pending_answer&) = delete;
    pending_answer& operator=(const pending_answer&) = delete;
    ~pending_answer() {
        if (request_ != nullptr)
            fail(finished(
                "from_thread: the run ended before it came to call the function; call while its main task runs"));
    }
    void serve() noexcept {
        request_->serve();
        std::exchange(request_, nullptr)->answer();
    }
    void fail(std::exception_ptr error) noexcept { std::exchange(request_, nullptr)->fail(std::move(error)); }

private:
    thread_request* request_;
};

void serve_in_system_task(const std::shared_ptr<pending_answer>& answer) {
    std::exception_ptr error;
    try {
        lowlevel::spawn_system_task([answer] { answer->serve(); }, {.name = "<from_thread::run>"});
        return;
    } catch (const nursery_closed&) {
        error =
            finished("from_thread::run: the run's main task has ended and it takes no new tasks; call while it runs");
    } catch (...) {
        error = std::current_exception();
    }
    answer->fail(std::move(error));
}

}  // namespace

void run_from_thread(callable_ref body, const lowlevel::run_token* token) {
    require_foreign_thread("from_thread::run");
    thread_request request(body, true);
    if (token == nullptr && !require_call("from_thread::run").abandonable()) {
        thread_call::current()->ask(request);
    } else {
        const lowlevel::run_token into = token != nullptr ? *token : thread_call::current()->token();
        into.run_sync_soon([answer = std::make_shared<pending_answer>(request)] { serve_in_system_task(answer); });
    }
    request.wait();
}

void run_sync_from_thread(callable_ref body, const lowlevel::run_token* token) {
    require_foreign_thread("from_thread::run_sync");
    thread_request request(body, false);
    if (token == nullptr && !require_call("from_thread::run_sync").abandonable()) {
        thread_call::current()->ask(request);
    } else {
        const lowlevel::run_token into = token != nullptr ? *token : thread_call::current()->token();
        into.run_sync_soon([answer = std::make_shared<pending_answer>(request)] { answer->serve(); });
    }
    request.wait();
}

}  // namespace kernel

void from_thread::check_cancelled() {
    const kernel::thread_call* call = kernel::thread_call::current();
    if (call == nullptr)
        kernel::throw_no_call("from_thread::check_cancelled", "there is no task whose cancellation could be looked at");
    call->check_cancelled();
}

}  // namespace tombolo
