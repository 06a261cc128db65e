#include "test/support/json.hpp"

#include <charconv>
#include <cstdint>
#include <optional>

namespace tombolo::testing {

class json_reader {
public:
    explicit json_reader(std::string_view text) : text_(text) {}

    json read_document() {
        json read = read_value(0);
        skip_space();
        if (at_ != text_.size()) fail("something follows the value");
        return read;
    }

private:
    [[noreturn]] void fail(const std::string& what) const {
        throw json::error(what + " at byte " + std::to_string(at_));
    }

    char peek() const {
        if (at_ >= text_.size()) fail("the text ends too early");
        return text_[at_];
    }

    void skip_space() {
        while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
    }

    bool take(std::string_view wanted) {
        if (!text_.substr(at_).starts_with(wanted)) return false;
        at_ += wanted.size();
        return true;
    }

    void expect(char wanted) {
        if (peek() != wanted) fail(std::string("expected ") + wanted);
        ++at_;
    }

    json read_value(int depth) {
        constexpr int deepest = 100;
        if (depth > deepest) fail("nested too deeply");
        skip_space();
        json read;
        switch (peek()) {
        case '{':
            read.value_ = read_object(depth);
            break;
        case '[':
            read.value_ = read_array(depth);
            break;
        case '"':
            read.value_ = read_string();
            break;
        default:
            if (take("true"))
                read.value_ = true;
            else if (take("false"))
                read.value_ = false;
            else if (!take("null"))
                read.value_ = read_number();
        }
        skip_space();
        return read;
    }

    json::object read_object(int depth) {
        json::object members;
        expect('{');
        skip_space();
        if (take("}")) return members;
        for (;;) {
            skip_space();
            std::string name = read_string();
            for (const auto& [known, value] : members)
                if (known == name) fail("the member " + name + " occurs twice");
            skip_space();
            expect(':');
            members.emplace_back(std::move(name), read_value(depth + 1));
            if (take("}")) return members;
            expect(',');
        }
    }

    json::array read_array(int depth) {
        json::array items;
        expect('[');
        skip_space();
        if (take("]")) return items;
        for (;;) {
            items.push_back(read_value(depth + 1));
            if (take("]")) return items;
            expect(',');
        }
    }

    double read_number() {
        const std::size_t begin = at_;
        const auto digits = [&] {
            const std::size_t first = at_;
            while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
            if (at_ == first) fail("expected a digit");
            return at_ - first;
        };
        static_cast<void>(take("-"));
        const bool zero_first = peek() == '0';
        if (digits() > 1 && zero_first) fail("a number begins with a superfluous zero");
        if (take(".")) digits();
        if (take("e") || take("E")) {
            if (!take("+")) static_cast<void>(take("-"));
            digits();
        }
        double value = 0;
        std::from_chars(text_.data() + begin, text_.data() + at_, value);
        return value;
    }

    unsigned read_hex() {
        constexpr std::size_t digits = 4;
        unsigned value = 0;
        if (text_.size() - at_ < digits) fail("the text ends in an escape");
        const char* begin = text_.data() + at_;
        if (std::from_chars(begin, begin + digits, value, 16).ptr != begin + digits) fail("expected four hex digits");
        at_ += digits;
        return value;
    }

    static void append_utf8(std::string& to, unsigned code) {
        const auto more = [&](unsigned shift) { to += static_cast<char>(0x80U | ((code >> shift) & 0x3FU)); };
        if (code < 0x80) {
            to += static_cast<char>(code);
        } else if (code < 0x800) {
            to += static_cast<char>(0xC0U | (code >> 6U));
            more(0);
        } else if (code < 0x10000) {
            to += static_cast<char>(0xE0U | (code >> 12U));
            more(6);
            more(0);
        } else {
            to += static_cast<char>(0xF0U | (code >> 18U));
            more(12);
            more(6);
            more(0);
        }
    }

    void read_escape(std::string& to) {
        const char escaped = peek();
        ++at_;
        constexpr std::string_view plain = "\"\\/bfnrt";
        constexpr std::string_view meant = "\"\\/\b\f\n\r\t";
        if (const std::size_t which = plain.find(escaped); which != std::string_view::npos) {
            to += meant[which];
            return;
        }
        if (escaped != 'u') fail("no such escape");
        unsigned code = read_hex();
        if (code >= 0xDC00 && code < 0xE000) fail("half a surrogate pair");
        if (code >= 0xD800 && code < 0xDC00) {
            if (!take("\\u")) fail("half a surrogate pair");
            const unsigned low = read_hex();
            if (low < 0xDC00 || low >= 0xE000) fail("half a surrogate pair");
            code = 0x10000 + ((code - 0xD800) << 10U) + (low - 0xDC00);
        }
        append_utf8(to, code);
    }

    /// The UTF-8 character here, decoded the long way: what does not come out the same when encoded again is none.
    void read_character(std::string& to) {
        const auto byte = static_cast<unsigned char>(peek());
        const int length = byte < 0x80 ? 1 : byte < 0xC0 ? 0 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : byte < 0xF8 ? 4 : 0;
        if (length == 0 || text_.size() - at_ < static_cast<std::size_t>(length)) fail("no UTF-8");
        unsigned code = length == 1 ? byte : byte & (0x7FU >> static_cast<unsigned>(length));
        for (int i = 1; i < length; ++i)
            code = (code << 6U) | (static_cast<unsigned char>(text_[at_ + static_cast<std::size_t>(i)]) & 0x3FU);
        std::string again;
        append_utf8(again, code);
        if (!take(again) || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) fail("no UTF-8");
        to += again;
    }

    std::string read_string() {
        std::string read;
        expect('"');
        while (peek() != '"') {
            if (static_cast<unsigned char>(peek()) < 0x20) fail("a control character in a string");
            if (take("\\"))
                read_escape(read);
            else
                read_character(read);
        }
        ++at_;
        return read;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

json json::parse(std::string_view text) { return json_reader(text).read_document(); }

const json* json::find(std::string_view name) const {
    for (const auto& [known, value] : members())
        if (known == name) return &value;
    return nullptr;
}

const json& json::operator[](std::string_view name) const {
    const json* found = find(name);
    if (found == nullptr) throw error("there is no member " + std::string(name));
    return *found;
}

}  // namespace tombolo::testing
