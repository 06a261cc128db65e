#pragma once

#include <span>

#include <sys/uio.h>

namespace tombolo::kernel {

/// writev(2) that raises no SIGPIPE: a library must not end the program because a reader went away. Linux 6.18 and later can be
/// asked for that; before, the signal is held back around the call and taken away, which is two system calls more. `quiet_write`
/// remembers for the descriptor whether asking is in vain.
long write_without_signal(int fd, std::span<const iovec> parts, bool& quiet_write) noexcept;

}  // namespace tombolo::kernel
