#pragma once

#include <chrono>

#include <time.h>

namespace bench {

/// Wall time since its creation. Units: seconds.
class stopwatch {
public:
    double seconds() const { return std::chrono::duration<double>{std::chrono::steady_clock::now() - start_}.count(); }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Processor time, system calls and page faults included, that the calling thread used since its creation.
/// Units: seconds.
class cpu_stopwatch {
public:
    double seconds() const { return used() - start_; }

private:
    static double used() {
        timespec time{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
    }

    double start_ = used();
};

}  // namespace bench
