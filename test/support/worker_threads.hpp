#pragma once

#include "fibers/worker_threads.hpp"

#include <chrono>
#include <string>

#include <pthread.h>

namespace tombolo::testing {

/// Threads of the cache that have no work stay this long while the object lives.
class idle_thread_limit {
public:
    explicit idle_thread_limit(std::chrono::nanoseconds limit) : before_(kernel::idle_thread_limit(limit)) {}
    idle_thread_limit(const idle_thread_limit&) = delete;
    idle_thread_limit& operator=(const idle_thread_limit&) = delete;
    ~idle_thread_limit() { kernel::idle_thread_limit(before_); }

private:
    std::chrono::nanoseconds before_;
};

/// While it lives no thread can be had beyond those that idle.
class no_new_threads {
public:
    no_new_threads() { kernel::refuse_new_threads(1'000'000); }
    no_new_threads(const no_new_threads&) = delete;
    no_new_threads& operator=(const no_new_threads&) = delete;
    ~no_new_threads() { kernel::refuse_new_threads(0); }
};

inline std::string name_of_this_thread() {
    char name[16] = {};
    ::pthread_getname_np(::pthread_self(), name, sizeof name);
    return name;
}

}  // namespace tombolo::testing
