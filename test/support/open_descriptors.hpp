#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

// Which descriptors the process has open, and a limit on them.
namespace tombolo::testing {

/// What each open descriptor is, less those with which runs wait: they open them when they first need them.
inline std::vector<std::string> open_descriptors() {
    std::vector<std::string> all;
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;  // the descriptor with which this very folder is read
        const std::string what = std::filesystem::read_symlink(each, gone).string();
        if (!what.starts_with("anon_inode:[event")) all.push_back(what);
    }
    return all;
}

/// Fails unless the same descriptors are open when it ends as when it began.
class descriptor_check {
public:
    descriptor_check() = default;
    descriptor_check(const descriptor_check&) = delete;
    descriptor_check& operator=(const descriptor_check&) = delete;
    ~descriptor_check() { EXPECT_EQ(open_descriptors().size(), before_.size()) << "left open, or closed"; }

private:
    std::vector<std::string> before_ = open_descriptors();
};

/// While it lives the process can open no descriptor; those that are open go on.
class no_more_descriptors {
public:
    no_more_descriptors() {
        EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
        rlimit lowered = before_;
        const int lowest_free = ::dup(0);
        ::close(lowest_free);
        lowered.rlim_cur = static_cast<rlim_t>(lowest_free);
        EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &lowered), 0);
    }
    no_more_descriptors(const no_more_descriptors&) = delete;
    no_more_descriptors& operator=(const no_more_descriptors&) = delete;
    ~no_more_descriptors() { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }

private:
    rlimit before_{};
};

}  // namespace tombolo::testing
