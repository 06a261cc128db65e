#pragma once

#include <cstddef>
#include <string>

namespace profile {

/// What the command line asks for.
struct options {
    static constexpr std::size_t quick_samples = 20'000;

    std::size_t samples = 1'000'000;
    std::string html_file;  ///< empty: no report file
    bool help = false;

    /// Throws: bad_usage, whose text says what is wrong with which argument.
    static options parse(int argc, const char* const* argv);
};

inline constexpr const char* usage = "usage: profile [--html FILE] [--samples N] [--quick] [--help]";

}  // namespace profile
