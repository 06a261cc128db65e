#include "fibers/core/task_records.hpp"

#include <algorithm>

namespace tombolo::kernel {

void* task_records::carve(std::size_t index) {
    constexpr std::size_t largest_chunk = 1024 * 1024;
    const std::size_t size = sizeof(task_state) + index * step;
    const std::size_t block =
        (size + alignof(std::max_align_t) - 1) / alignof(std::max_align_t) * alignof(std::max_align_t);
    if (unused_size_ < block) {
        const std::size_t chunk = std::max(next_chunk_, block);
        chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(chunk));
        unused_ = chunks_.back().get();
        unused_size_ = chunk;
        next_chunk_ = std::min(next_chunk_ * 2, largest_chunk);
    }
    std::byte* carved = unused_;
    unused_ += block;
    unused_size_ -= block;
    return carved;
}

}  // namespace tombolo::kernel
