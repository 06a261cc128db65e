#pragma once

#include <boost/context/stack_context.hpp>

#include <cstddef>
#include <new>
#include <vector>

#include <sys/mman.h>

namespace bench {

/// The stacks of the peers: unguarded slots carved from one mapping after the other, handed out last-in first-out. The
/// cheapest that a peer can get: no system call per stack, no page touched that the task does not touch, the warmest
/// stack first, an odd number of pages from one to the next (at a power of two, 1,000 stacks compete for a few sets of
/// the TLB). The pool of Boost.Context itself writes its free list into the stacks: one more page each.
/// Lifetime: outlives every fiber on its stacks.
class peer_stacks {
public:
    /// Coloured tops spread over the cache sets. That makes 1,000 bare contexts faster and 1,000 fibers of Boost.Fiber
    /// slower, so each peer gets what serves it.
    enum class tops { aligned, coloured };

    static constexpr std::size_t best_slot_size = 68 * 1024;

    /// What Boost.Context and Boost.Fiber take by value: a handle, without a reference count.
    class allocator {
    public:
        explicit allocator(peer_stacks& stacks) : stacks_{&stacks} {}
        boost::context::stack_context allocate() { return stacks_->allocate(); }
        void deallocate(boost::context::stack_context& stack) noexcept { stacks_->free_.push_back(stack.sp); }

    private:
        peer_stacks* stacks_;
    };

    explicit peer_stacks(tops kind = tops::aligned, std::size_t slot_size = best_slot_size)
        : kind_{kind}, slot_size_{slot_size} {}
    peer_stacks(const peer_stacks&) = delete;
    peer_stacks& operator=(const peer_stacks&) = delete;
    ~peer_stacks() {
        for (void* mapping : mappings_) {
            ::munmap(mapping, slot_size_ * slots_per_mapping);
        }
    }

    boost::context::stack_context allocate() {
        if (free_.empty()) {
            grow();
        }
        boost::context::stack_context stack;
        stack.sp = free_.back();
        stack.size = slot_size_ - (kind_ == tops::coloured ? colours * cache_line : 0);
        free_.pop_back();
        return stack;
    }

    bool all_returned() const { return free_.size() == mappings_.size() * slots_per_mapping; }

private:
    static constexpr std::size_t colours = 64;
    static constexpr std::size_t cache_line = 64;
    static constexpr std::size_t slots_per_mapping = 1024;

    void grow() {
        const std::size_t bytes = slot_size_ * slots_per_mapping;
        void* mapping =
            ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapping == MAP_FAILED) {
            throw std::bad_alloc{};
        }
        // A transparent huge page would charge one task for the 31 neighbours that share it.
        ::madvise(mapping, bytes, MADV_NOHUGEPAGE);
        mappings_.push_back(mapping);
        free_.reserve(mappings_.size() * slots_per_mapping);
        for (std::size_t i = slots_per_mapping; i-- > 0;) {
            const std::size_t colour = kind_ == tops::coloured ? (i % colours) * cache_line : 0;
            free_.push_back(static_cast<char*>(mapping) + (i + 1) * slot_size_ - colour);
        }
    }

    tops kind_;
    std::size_t slot_size_;
    std::vector<void*> mappings_;
    std::vector<void*> free_;
};

}  // namespace bench
