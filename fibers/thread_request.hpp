#pragma once

#include <tombolo/fibers/kernel/callable_ref.hpp>
#include <tombolo/fibers/variables_copy.hpp>

#include <condition_variable>
#include <exception>
#include <mutex>

namespace tombolo::kernel {

/// One from_thread call. Lives on the stack of the thread that waits for it: gone once it has been answered.
class thread_request {
public:
    thread_request(callable_ref body, bool may_block)
        : body_(body), may_block_(may_block), variables_(lowlevel::copy_variables()) {}
    thread_request(const thread_request&) = delete;
    thread_request& operator=(const thread_request&) = delete;

    /// Calls the body here and keeps what it throws. Run's thread; answer() or fail() comes next.
    void serve() noexcept;

    /// Lets the thread go on. The last call.
    void answer() noexcept;

    /// answer(), with an error instead of a call.
    void fail(std::exception_ptr error) noexcept {
        error_ = std::move(error);
        answer();
    }

    /// Blocks the thread until it is answered. Throws: what the body threw.
    void wait();

private:
    callable_ref body_;
    bool may_block_;
    lowlevel::variables_copy variables_;
    std::exception_ptr error_;

    std::mutex mutex_;
    std::condition_variable changed_;
    bool answered_ = false;  // guarded by mutex_
};

}  // namespace tombolo::kernel
