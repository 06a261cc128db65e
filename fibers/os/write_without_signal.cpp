#include "fibers/os/write_without_signal.hpp"

#include "fibers/os/sigpipe_held_back.hpp"

#include <cerrno>

namespace tombolo::kernel {

namespace {

/// RWF_NOSIGNAL, which the C library does not name yet.
constexpr int no_signal = 0x100;

}  // namespace

long write_without_signal(int fd, std::span<const iovec> parts, bool& quiet_write) noexcept {
    const int count = static_cast<int>(parts.size());
    if (quiet_write) {
        const long result = ::pwritev2(fd, parts.data(), count, -1, no_signal);
        if (result >= 0 || (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS)) return result;
        quiet_write = false;
    }
    const sigpipe_held_back held;
    return held.after(::writev(fd, parts.data(), count));
}

}  // namespace tombolo::kernel
