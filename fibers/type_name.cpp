#include "fibers/type_name.hpp"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <cxxabi.h>

namespace tombolo::kernel {

namespace {

std::atomic<std::size_t (*)() noexcept> stack_room{nullptr};

bool has_room_to_demangle(const char* mangled) noexcept {
    constexpr std::size_t bytes_for_each_character = 64;
    constexpr std::size_t bytes_for_the_rest = 4096;
    auto* bytes_left = stack_room.load(std::memory_order_relaxed);
    return bytes_left == nullptr ||
        bytes_left() >= std::strlen(mangled) * bytes_for_each_character + bytes_for_the_rest;
}

}  // namespace

std::string type_name(const std::type_info& type) {
    const char* mangled = type.name();
    if (!has_room_to_demangle(mangled)) {
        return mangled;
    }
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> name(
        abi::__cxa_demangle(mangled, nullptr, nullptr, &status), &std::free);
    return name != nullptr ? name.get() : mangled;
}

void measure_stack_room_with(std::size_t (*bytes_left)() noexcept) noexcept {
    stack_room.store(bytes_left, std::memory_order_relaxed);
}

}  // namespace tombolo::kernel
