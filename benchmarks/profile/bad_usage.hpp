#pragma once

#include <stdexcept>

namespace profile {

/// The command line makes no sense. The text is for the user.
struct bad_usage : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

}  // namespace profile
