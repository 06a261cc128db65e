#pragma once

#include <stdexcept>

namespace legacy_island {

/// What the user asked for cannot be done; the text says why and what to write instead. `main` answers with the
/// usage line and exit code 2.
struct bad_argument : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace legacy_island
