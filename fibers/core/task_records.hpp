#pragma once

#include "fibers/core/task_state.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

namespace tombolo::kernel {

/// Memory for task records and the bodies behind them, reused newest first. Blocks stay task records until the run ends, so
/// that a stale wait_ticket can still compare ids.
class task_records {
public:
    /// Throws: std::bad_alloc.
    void* allocate(std::size_t body_size) {
        const std::size_t index = class_of(body_size);
        if (free_block* block = free_[index]) {
            free_[index] = block->next;
            return block;
        }
        return carve(index);
    }

    void release(void* block, std::size_t body_size) noexcept {
        const std::size_t index = class_of(body_size);
        // The link overwrites the record's first word only: its id and generation stay readable.
        auto* freed = static_cast<free_block*>(block);
        freed->next = free_[index];
        free_[index] = freed;
    }

private:
    struct free_block {
        free_block* next;
    };
    static constexpr std::size_t step = 64;
    static constexpr std::size_t classes = largest_inline_body / step + 2;

    static std::size_t class_of(std::size_t body_size) noexcept { return (body_size + step - 1) / step; }
    void* carve(std::size_t index);

    std::array<free_block*, classes> free_{};
    std::vector<std::unique_ptr<std::byte[]>> chunks_;
    std::byte* unused_ = nullptr;
    std::size_t unused_size_ = 0;
    std::size_t next_chunk_ = 8 * 1024;
};

}  // namespace tombolo::kernel
