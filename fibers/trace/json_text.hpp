#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>

namespace tombolo::kernel {

/// Writes JSON piece by piece. Punctuation is the caller's business; strings come out escaped and as valid UTF-8.
class json_text {
public:
    explicit json_text(std::ostream& out) : out_(out) {}
    json_text(const json_text&) = delete;
    json_text& operator=(const json_text&) = delete;

    json_text& raw(std::string_view text) {
        buffer_ += text;
        return *this;
    }

    /// Bytes that are no UTF-8 become U+FFFD, one for each.
    json_text& string(std::string_view text);
    json_text& number(std::uint64_t value);

    /// Nanoseconds as microseconds with three decimals: the unit of the trace event format.
    json_text& microseconds(std::uint64_t nanoseconds);

    /// Hands on what has piled up, if it is much.
    void flush_when_long();
    void flush();

private:
    std::ostream& out_;
    std::string buffer_;
};

}  // namespace tombolo::kernel
