#include "fibers/os/write_without_signal.hpp"

#include "test/support/descriptors.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <span>

#include <pthread.h>
#include <sys/uio.h>

namespace tombolo::kernel {
namespace {

using testing::open_pipe;
using testing::open_sockets;
using testing::take;

bool sigpipe_is_pending() {
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGPIPE) == 1;
}

/// Both ways of writing: asking the kernel, and holding the signal back.
class write_without_signal_by : public ::testing::TestWithParam<bool> {
protected:
    long write(const unique_fd& to) {
        char bytes[] = "xy";
        const iovec parts[] = {{bytes, 1}, {bytes + 1, 1}};
        quiet_write_ = GetParam();
        return write_without_signal(to.get(), parts, quiet_write_);
    }
    bool quiet_write_ = true;
};

TEST_P(write_without_signal_by, writes_all_parts) {
    open_pipe pipe;
    EXPECT_EQ(write(pipe.writer), 2);
    EXPECT_EQ(take(pipe.reader), "xy");
    open_sockets sockets;
    EXPECT_EQ(write(sockets.near), 2);
    EXPECT_EQ(take(sockets.far), "xy");
}

TEST_P(write_without_signal_by, reports_a_lost_reader_and_lives_on) {
    open_pipe pipe;
    pipe.reader.reset();
    EXPECT_EQ(write(pipe.writer), -1);
    EXPECT_EQ(errno, EPIPE);
    open_sockets sockets;
    sockets.far.reset();
    EXPECT_EQ(write(sockets.near), -1);
    EXPECT_EQ(errno, EPIPE);
    EXPECT_FALSE(sigpipe_is_pending());
}

TEST_P(write_without_signal_by, leaves_alone_what_the_thread_had_blocked_and_pending) {
    sigset_t sigpipe;
    sigset_t before;
    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &sigpipe, &before);
    open_pipe pipe;
    pipe.reader.reset();
    EXPECT_EQ(write(pipe.writer), -1);
    EXPECT_FALSE(sigpipe_is_pending()) << "ours";
    ::pthread_kill(::pthread_self(), SIGPIPE);
    EXPECT_EQ(write(pipe.writer), -1);
    EXPECT_TRUE(sigpipe_is_pending()) << "the thread's own";
    int taken = 0;
    EXPECT_EQ(::sigwait(&sigpipe, &taken), 0);
    sigset_t now;
    ::pthread_sigmask(SIG_SETMASK, &before, &now);
    EXPECT_EQ(sigismember(&now, SIGPIPE), 1) << "still blocked";
}

INSTANTIATE_TEST_SUITE_P(both_ways, write_without_signal_by, ::testing::Bool());

}  // namespace
}  // namespace tombolo::kernel
