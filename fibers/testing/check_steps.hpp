#pragma once

#include <tombolo/base/bytes.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/exception_group.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/testing/check_failed.hpp>
#include <tombolo/testing/checked_end.hpp>
#include <tombolo/testing/checkpoints.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <string>
#include <string_view>

// What the stream batteries are made of.
namespace tombolo::kernel {

/// Throws: check_failed.
inline void expect(bool holds, const std::string& expectation) {
    if (!holds) throw testing::check_failed("expected that " + expectation + ", which it does not");
}

/// Makes the call and expects that it throws an Error; what else it throws goes into the text.
/// Throws: check_failed.
template <class Error, class F>
void expect_error(const std::string& expectation, F&& call) {
    std::string instead = "nothing was thrown";
    try {
        std::forward<F>(call)();
    } catch (const Error&) {
        return;
    } catch (const std::exception&) {
        instead = describe(std::current_exception());
    }
    throw testing::check_failed("expected that " + expectation + "; " + instead);
}

/// Whether the error is an Error, or a group of nothing else.
template <class Error>
bool consists_of(const std::exception_ptr& error) {
    if (holds<Error>(error)) return true;
    try {
        std::rethrow_exception(error);
    } catch (const exception_group& group) {
        for (const std::exception_ptr& each : group.exceptions())
            if (!consists_of<Error>(each)) return false;
        return true;
    } catch (const std::exception&) {
        return false;
    }
}

/// Runs both in a nursery.
void run_both(const std::function<void()>& first, const std::function<void()>& second);

/// Runs both in a nursery, the second when everything waits, and expects that the nursery throws busy_resource only.
void expect_busy(
    const std::string& expectation, const std::function<void()>& first, const std::function<void()>& second);

/// Makes the pair and runs `body`; names the step in what it throws. Closes both ends by force.
/// Throws: check_failed.
void step(
    const std::string& name, const make_checked_pair& make_pair,
    const std::function<void(checked_end& first, checked_end& second)>& body);

// Calls that are checked to be checkpoints.

void send(checked_end& to, const_bytes bytes);
std::string receive(checked_end& from, std::size_t max_bytes);
void receive_exactly(checked_end& from, std::string_view expected);
void close_in_order(checked_end& end);

/// Sends until that throws.
[[noreturn]] void send_for_ever(checked_end& to);

}  // namespace tombolo::kernel
