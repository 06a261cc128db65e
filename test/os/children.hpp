#pragma once

#include <tombolo/fibers/os/fd_stream.hpp>
#include <tombolo/fibers/os/process.hpp>

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

// What one wants to know of children and descriptors from outside.
namespace tombolo::testing {

/// How many descriptors this process has open, without those that a run makes for itself when it first needs them.
inline int open_descriptors() {
    int count = 0;
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        const std::string what = std::filesystem::read_symlink(each.path(), gone).string();
        if (!gone && what != "anon_inode:[eventpoll]" && what != "anon_inode:[eventfd]") ++count;
    }
    return count;
}

/// True when the process has no child, running or to be waited for.
inline bool has_no_children() {
    siginfo_t end;
    return ::waitid(P_ALL, 0, &end, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD;
}

/// Blocks the thread until the child has ended, and leaves its status alone.
inline void block_until_ended(os::process& child) {
    siginfo_t end;
    EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(child.pid()), &end, WEXITED | WNOWAIT), 0);
}

/// Its child is gone and collected when the block is left, whatever throws.
class killed_in_the_end {
public:
    explicit killed_in_the_end(os::process child) : child_(std::move(child)) {}
    killed_in_the_end(const killed_in_the_end&) = delete;
    killed_in_the_end& operator=(const killed_in_the_end&) = delete;
    ~killed_in_the_end() {
        if (child_.poll()) return;
        child_.kill();
        block_until_ended(child_);
        EXPECT_TRUE(child_.poll());
    }

private:
    os::process child_;
};

inline std::string receive_to_end(os::fd_stream& from) {
    std::string all;
    std::vector<char> part(65536);
    while (const std::size_t count = from.receive_some(part)) all.append(part.data(), count);
    return all;
}

}  // namespace tombolo::testing
