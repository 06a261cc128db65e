#include <tombolo/testing/threads.hpp>

#include <tombolo/fibers/to_thread.hpp>

namespace tombolo::testing {

std::size_t active_thread_count() { return kernel::active_thread_calls(); }

void wait_all_threads_completed() { kernel::wait_for_thread_calls(); }

}  // namespace tombolo::testing
