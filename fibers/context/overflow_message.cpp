#include "fibers/context/overflow_message.hpp"

#include <algorithm>
#include <charconv>

namespace tombolo::kernel {

namespace {

// Leaves room for everything else in the message.
constexpr std::size_t longest_name = 256;

}  // namespace

void overflow_message::compose(const overflow_subject& subject, const void* address) noexcept {
    length_ = 0;
    add("tombolo: stack overflow in task \"");
    add_name(subject.task_name);
    add("\": its stack is ");
    add_decimal(subject.stack_size);
    add(" bytes and the access at 0x");
    add_hexadecimal(reinterpret_cast<std::uintptr_t>(address));
    add(" hit the guard below it. Give it a larger one: start_soon(f, {.stack_size = ");
    add_decimal(2 * std::uint64_t{subject.stack_size});
    add("}) or, for all tasks, run(f, {.stack_size = ");
    add_decimal(2 * std::uint64_t{subject.stack_size});
    add("}).\n");
}

void overflow_message::add(std::string_view words) noexcept {
    const std::size_t fitting = std::min(words.size(), sizeof text_ - length_);
    std::copy_n(words.data(), fitting, text_ + length_);
    length_ += fitting;
}

// Control characters would let a name draw on the terminal or end the line.
void overflow_message::add_name(std::string_view name) noexcept {
    for (const char letter : name.substr(0, longest_name)) {
        const auto code = static_cast<unsigned char>(letter);
        const char shown = code < 0x20 || code == 0x7f ? '?' : letter;
        add({&shown, 1});
    }
    if (name.size() > longest_name) {
        add("...");
    }
}

void overflow_message::add_decimal(std::uint64_t number) noexcept {
    char digits[20];
    const char* const end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    add({digits, static_cast<std::size_t>(end - digits)});
}

void overflow_message::add_hexadecimal(std::uint64_t number) noexcept {
    char digits[16];
    const char* const end = std::to_chars(digits, digits + sizeof digits, number, 16).ptr;
    add({digits, static_cast<std::size_t>(end - digits)});
}

}  // namespace tombolo::kernel
