#pragma once

#include <stdexcept>

namespace tombolo::testing {

/// Thrown by the checks of the test kit when what they check does not keep its contract. The text says what was
/// expected, where, and what happened instead. It needs no test framework: an uncaught one fails a test of any.
class check_failed : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

}  // namespace tombolo::testing
