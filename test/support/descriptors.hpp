#pragma once

#include <tombolo/base/unique_fd.hpp>

#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

// Descriptors to wait for, and what one does with them without blocking.
namespace tombolo::testing {

struct open_pipe {
    open_pipe() {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        reader.reset(ends[0]);
        writer.reset(ends[1]);
    }
    unique_fd reader;
    unique_fd writer;
};

struct open_sockets {
    open_sockets() {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
        near.reset(ends[0]);
        far.reset(ends[1]);
    }
    unique_fd near;
    unique_fd far;
};

inline void put(const unique_fd& to, std::string_view bytes) {
    EXPECT_EQ(::write(to.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
}

/// Everything that is there to read now.
inline std::string take(const unique_fd& from) {
    std::string all;
    char part[4096];
    for (ssize_t n = 0; (n = ::read(from.get(), part, sizeof part)) > 0;) all.append(part, static_cast<std::size_t>(n));
    return all;
}

/// Writes until the kernel takes no more. Units: bytes.
inline std::size_t fill(const unique_fd& to) {
    const char part[4096] = {};
    std::size_t written = 0;
    for (ssize_t n = 0; (n = ::write(to.get(), part, sizeof part)) > 0;) written += static_cast<std::size_t>(n);
    EXPECT_EQ(errno, EAGAIN);
    return written;
}

}  // namespace tombolo::testing
