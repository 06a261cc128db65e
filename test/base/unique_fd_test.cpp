#include <tombolo/base/unique_fd.hpp>

#include <gtest/gtest.h>

#include <cerrno>
#include <type_traits>
#include <utility>

#include <fcntl.h>

namespace {

using tombolo::unique_fd;

static_assert(!std::is_copy_constructible_v<unique_fd> && !std::is_copy_assignable_v<unique_fd>);
static_assert(std::is_nothrow_move_constructible_v<unique_fd> && std::is_nothrow_move_assignable_v<unique_fd>);
static_assert(!std::is_convertible_v<int, unique_fd> && !std::is_convertible_v<unique_fd, bool>);

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

int open_null() {
    const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    EXPECT_GE(fd, 0);
    return fd;
}

TEST(unique_fd, owns_nothing_by_default) {
    const unique_fd fd;
    EXPECT_FALSE(fd);
    EXPECT_EQ(fd.get(), -1);
}

TEST(unique_fd, takes_descriptor_zero_for_a_descriptor) {
    unique_fd fd(0);
    EXPECT_TRUE(fd);
    EXPECT_EQ(fd.release(), 0);
}

TEST(unique_fd, closes_what_it_owns_when_destroyed) {
    const int raw = open_null();
    {
        const unique_fd fd(raw);
        EXPECT_TRUE(fd);
        EXPECT_TRUE(is_open(raw));
    }
    EXPECT_FALSE(is_open(raw));
}

TEST(unique_fd, hands_over_when_moved) {
    const int raw = open_null();
    unique_fd first(raw);
    unique_fd second(std::move(first));
    EXPECT_EQ(first.get(), -1);
    EXPECT_EQ(second.get(), raw);

    const int replaced = open_null();
    unique_fd third(replaced);
    third = std::move(second);
    EXPECT_EQ(third.get(), raw);
    EXPECT_FALSE(second);
    EXPECT_FALSE(is_open(replaced));
    EXPECT_TRUE(is_open(raw));
}

TEST(unique_fd, survives_assignment_to_itself) {
    const int raw = open_null();
    unique_fd fd(raw);
    unique_fd& alias = fd;
    fd = std::move(alias);
    EXPECT_EQ(fd.get(), raw);
    EXPECT_TRUE(is_open(raw));
}

TEST(unique_fd, closes_nothing_once_released) {
    const int raw = open_null();
    {
        unique_fd fd(raw);
        EXPECT_EQ(fd.release(), raw);
        EXPECT_FALSE(fd);
    }
    EXPECT_TRUE(is_open(raw));
    ::close(raw);
}

TEST(unique_fd, closes_the_old_descriptor_on_reset) {
    const int first = open_null();
    const int second = open_null();
    unique_fd fd(first);
    fd.reset(second);
    EXPECT_FALSE(is_open(first));
    EXPECT_EQ(fd.get(), second);
    fd.reset(second);
    EXPECT_TRUE(is_open(second));
    fd.reset();
    EXPECT_FALSE(is_open(second));
    EXPECT_FALSE(fd);
}

TEST(unique_fd, keeps_errno_when_it_closes) {
    const int raw = open_null();
    unique_fd closed_behind_its_back(raw);
    ::close(raw);
    errno = ENOENT;
    closed_behind_its_back.reset();
    EXPECT_EQ(errno, ENOENT);
}

}  // namespace
