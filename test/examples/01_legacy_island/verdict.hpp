#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace legacy_island {

/// Why there is no reply.
enum class failure {
    none,
    refused,
    reset,
    timed_out,
    bad_reply,
    cut_short,
    body_too_large,
    unreachable,
    unknown_host,
    out_of_time,  // the overall deadline came first
    other,        // the verdict's `detail` says what
};

/// Thrown where the fetch code itself, not a system call, finds out that it fails.
struct fetch_error : std::runtime_error {
    fetch_error(failure reason, const std::string& text) : std::runtime_error(text), why(reason) {}
    failure why;
};

/// What a server answered.
struct reply {
    unsigned status = 0;
    std::size_t bytes = 0;  // of the body
};

/// How one fetch ended. A fetch that never got its turn is out of time.
struct verdict {
    failure why = failure::out_of_time;
    reply got{};
    std::string detail{};
    std::chrono::duration<double, std::milli> took{};

    /// A reply arrived and it is no error page.
    bool fetched() const { return why == failure::none && got.status < 400; }
};

/// "200", "404 Not Found", "refused", ...
std::string describe(const verdict& one);

/// The verdict that an exception amounts to.
verdict verdict_of(const std::exception& error);

/// Runs `fetch`, which returns a reply or throws, and times it. On an island a cancellation passes through untouched:
/// `tombolo::cancelled` is no std::exception, so code that was written before it existed does not swallow it.
template <class Fetch>
verdict judge(Fetch&& fetch) {
    const auto begun = std::chrono::steady_clock::now();
    verdict one;
    try {
        one.got = std::forward<Fetch>(fetch)();
        one.why = failure::none;
    } catch (const std::exception& error) {
        one = verdict_of(error);
    }
    one.took = std::chrono::steady_clock::now() - begun;
    return one;
}

}  // namespace legacy_island
