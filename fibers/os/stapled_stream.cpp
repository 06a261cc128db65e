#include <tombolo/fibers/os/stapled_stream.hpp>

#include <tombolo/fibers/exception_group.hpp>

namespace tombolo::kernel {

void throw_close_errors(std::exception_ptr first, std::exception_ptr second) {
    if (!first || (second && is_cancelled(first))) first = std::exchange(second, nullptr);
    if (!first) return;
    if (second && !is_cancelled(second)) first = make_exception_group("closing a stapled stream", {first, second});
    std::rethrow_exception(first);
}

}  // namespace tombolo::kernel
