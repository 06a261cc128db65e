#pragma once

#include "fibers/context/overflow_report.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tombolo::kernel {

// The line that a stack overflow prints, composed without the heap and without stdio: it is made in a signal handler,
// in a process that is about to die.
// Callable from: signal handler.
class overflow_message {
public:
    void compose(const overflow_subject& subject, const void* address) noexcept;

    const char* text() const noexcept { return text_; }
    std::size_t length() const noexcept { return length_; }

private:
    void add(std::string_view words) noexcept;
    void add_name(std::string_view name) noexcept;
    void add_decimal(std::uint64_t number) noexcept;
    void add_hexadecimal(std::uint64_t number) noexcept;

    char text_[1024];
    std::size_t length_ = 0;
};

}  // namespace tombolo::kernel
