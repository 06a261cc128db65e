#include "fibers/trace/json_text.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <ostream>

namespace tombolo::kernel {

namespace {

unsigned byte_at(std::string_view text, std::size_t at) noexcept {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
}

/// How many bytes the UTF-8 character at `at` has; 0 when there is none. RFC 3629: no surrogates, nothing overlong,
/// nothing above U+10FFFF.
std::size_t character_length(std::string_view text, std::size_t at) noexcept {
    const unsigned first = byte_at(text, at);
    const auto continues = [&](std::size_t offset, unsigned lowest = 0x80, unsigned highest = 0xBF) {
        const unsigned byte = byte_at(text, at + offset);
        return byte >= lowest && byte <= highest;
    };
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
    if (first >= 0xE0 && first <= 0xEF) {
        const unsigned lowest = first == 0xE0 ? 0xA0 : 0x80;
        const unsigned highest = first == 0xED ? 0x9F : 0xBF;
        return continues(1, lowest, highest) && continues(2) ? 3 : 0;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        const unsigned lowest = first == 0xF0 ? 0x90 : 0x80;
        const unsigned highest = first == 0xF4 ? 0x8F : 0xBF;
        return continues(1, lowest, highest) && continues(2) && continues(3) ? 4 : 0;
    }
    return 0;
}

void append_escaped(std::string& to, unsigned char character) {
    switch (character) {
    case '"':
        to += "\\\"";
        return;
    case '\\':
        to += "\\\\";
        return;
    case '\n':
        to += "\\n";
        return;
    case '\r':
        to += "\\r";
        return;
    case '\t':
        to += "\\t";
        return;
    default:
        break;
    }
    if (character >= 0x20) {
        to += static_cast<char>(character);
        return;
    }
    constexpr std::string_view digits = "0123456789abcdef";
    to += "\\u00";
    to += digits[character >> 4U];
    to += digits[character & 0xFU];
}

}  // namespace

json_text& json_text::string(std::string_view text) {
    buffer_ += '"';
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = character_length(text, at);
        if (length == 0)
            buffer_ += "\xEF\xBF\xBD";
        else if (length == 1)
            append_escaped(buffer_, static_cast<unsigned char>(text[at]));
        else
            buffer_ += text.substr(at, length);
        at += length == 0 ? 1 : length;
    }
    buffer_ += '"';
    return *this;
}

json_text& json_text::number(std::uint64_t value) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    return raw({digits.data(), static_cast<std::size_t>(end - digits.data())});
}

json_text& json_text::microseconds(std::uint64_t nanoseconds) {
    number(nanoseconds / 1000);
    const auto rest = static_cast<unsigned>(nanoseconds % 1000);
    const std::array<char, 4> fraction{
        '.', static_cast<char>('0' + rest / 100), static_cast<char>('0' + rest / 10 % 10),
        static_cast<char>('0' + rest % 10)};
    return raw({fraction.data(), fraction.size()});
}

void json_text::flush_when_long() {
    constexpr std::size_t much = std::size_t{1} << 16;
    if (buffer_.size() >= much) flush();
}

void json_text::flush() {
    out_.write(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
    buffer_.clear();
}

}  // namespace tombolo::kernel
