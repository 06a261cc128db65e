#include "fibers/testing/memory_queue.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>

#include <algorithm>
#include <cstring>

namespace tombolo::kernel {

void memory_queue::put(const_bytes bytes, const char* what) {
    if (ended_) throw closed_resource(std::string(what) + ": the stream was closed");
    bytes_.append(bytes.text());
    if (!bytes.empty()) takers_.unpark_all();
}

void memory_queue::end() noexcept {
    ended_ = true;
    while (takers_.unpark_one() != nullptr) {}
}

void memory_queue::abandon() noexcept {
    abandoned_ = true;
    bytes_.clear();
    taken_ = 0;
    end();
}

std::size_t memory_queue::take(mutable_bytes into) noexcept {
    const std::size_t count = std::min(into.size(), size());
    if (count != 0) std::memcpy(into.data(), bytes_.data() + taken_, count);
    taken_ += count;
    // What was taken goes when it is the larger part, so that each byte is moved once on average.
    if (taken_ > bytes_.size() / 2) {
        bytes_.erase(0, taken_);
        taken_ = 0;
    }
    return count;
}

std::string memory_queue::take(std::size_t max_bytes) {
    std::string taken(std::min(max_bytes, size()), '\0');
    take(mutable_bytes(taken));
    return taken;
}

void memory_queue::wait_until_ready(const char* what) {
    if (is_ready()) return checkpoint();
    while (!is_ready()) takers_.park(what);
}

}  // namespace tombolo::kernel
