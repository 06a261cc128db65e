#pragma once

#include <gtest/gtest.h>

#include <csignal>

#include <signal.h>

// Who a signal belongs to.
namespace tombolo::testing {

inline struct sigaction disposition_of(int signal) {
    struct sigaction present = {};
    EXPECT_EQ(::sigaction(signal, nullptr, &present), 0);
    return present;
}

inline auto handler_of(int signal) { return disposition_of(signal).sa_handler; }

/// Gives a signal another disposition for as long as it lives, whatever was done to it meanwhile.
class scoped_disposition {
public:
    scoped_disposition(int signal, void (*handler)(int)) : signal_(signal), before_(disposition_of(signal)) {
        std::signal(signal, handler);
    }
    scoped_disposition(const scoped_disposition&) = delete;
    scoped_disposition& operator=(const scoped_disposition&) = delete;
    ~scoped_disposition() { ::sigaction(signal_, &before_, nullptr); }

private:
    int signal_;
    struct sigaction before_;
};

/// Counts, for handlers that a program has installed itself.
inline volatile std::sig_atomic_t calls_of_handler[NSIG] = {};
inline void count_call(int signal) { calls_of_handler[signal] = calls_of_handler[signal] + 1; }

/// A program's own handler of a signal, which counts its calls from 0.
class counting_handler : scoped_disposition {
public:
    explicit counting_handler(int signal) : scoped_disposition(signal, count_call), signal_(signal) {
        calls_of_handler[signal] = 0;
    }
    int calls() const { return calls_of_handler[signal_]; }

private:
    int signal_;
};

}  // namespace tombolo::testing
