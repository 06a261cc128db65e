#include <tombolo/fibers/count.hpp>

#include <tombolo/fibers/errors.hpp>

namespace tombolo::kernel {

void throw_negative_count(const char* what, const std::string& value) {
    throw invalid_count(std::string(what) + " must not be negative, but it is " + value + "; give 0 or more");
}

}  // namespace tombolo::kernel
