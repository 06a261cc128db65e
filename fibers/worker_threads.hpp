#pragma once

#include <chrono>

namespace tombolo::kernel {

/// What tests turn at the thread cache. Process-wide; callable from any thread.

/// How long a thread without work stays; returns what it was. Threads that are idle now start counting anew.
std::chrono::nanoseconds idle_thread_limit(std::chrono::nanoseconds limit) noexcept;

/// The next `count` threads that would have to be created cannot be had.
void refuse_new_threads(int count) noexcept;

}  // namespace tombolo::kernel
