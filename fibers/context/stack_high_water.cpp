#include "fibers/context/stack_high_water.hpp"

#include "fibers/context/stack_guard.hpp"

#include <algorithm>
#include <cstdint>

#include <fcntl.h>
#include <unistd.h>

namespace tombolo::kernel {

namespace {

// A stack is full of marks of the sanitizers, and belongs to another fiber; reading it is still right here.
#if defined(__clang__)
    #define TOMBOLO_READS_FOREIGN_STACK __attribute__((no_sanitize("address", "thread", "memory")))
#else
    #define TOMBOLO_READS_FOREIGN_STACK __attribute__((no_sanitize("address", "thread")))
#endif

TOMBOLO_READS_FOREIGN_STACK const std::byte* first_nonzero(const std::byte* low, const std::byte* high) noexcept {
    using word [[gnu::may_alias]] = std::uint64_t;
    while (low != high && *reinterpret_cast<const word*>(low) == 0) {
        low += sizeof(word);
    }
    while (low != high && *low == std::byte{0}) {
        ++low;
    }
    return low;
}

// /proc/self/pagemap, a word per page. Unlike mincore() it tells a page that was swapped out from one that never was.
// Opened anew each time: after fork() an old descriptor would still describe the parent.
class page_map {
public:
    page_map() noexcept : file_(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)) {}
    ~page_map() {
        if (file_ >= 0) {
            ::close(file_);
        }
    }
    page_map(const page_map&) = delete;
    page_map& operator=(const page_map&) = delete;

    // Fills in one word per page from `low` on. Without a page map every page counts as touched: slower, never wrong.
    void read(const std::byte* low, std::uint64_t* words, std::size_t pages) const noexcept {
        const auto offset =
            static_cast<off_t>(reinterpret_cast<std::uintptr_t>(low) / page_size() * sizeof(std::uint64_t));
        const std::size_t bytes = pages * sizeof(std::uint64_t);
        if (file_ < 0 || ::pread(file_, words, bytes, offset) != static_cast<ssize_t>(bytes)) {
            std::fill_n(words, pages, present);
        }
    }

    static bool was_touched(std::uint64_t word) noexcept { return (word & (present | swapped)) != 0; }

private:
    static constexpr std::uint64_t present = std::uint64_t{1} << 63;
    static constexpr std::uint64_t swapped = std::uint64_t{1} << 62;

    int file_;
};

}  // namespace

const std::byte* lowest_used_byte(const std::byte* base, const std::byte* top) noexcept {
    constexpr std::size_t pages_at_once = 64;
    const std::size_t page = page_size();
    const page_map map;
    std::uint64_t words[pages_at_once];

    for (const std::byte* low = base; low < top;) {
        const std::size_t pages = std::min(pages_at_once, (static_cast<std::size_t>(top - low) + page - 1) / page);
        map.read(low, words, pages);
        for (std::size_t i = 0; i < pages; ++i) {
            const std::byte* const page_end = std::min(low + page, top);
            if (page_map::was_touched(words[i])) {
                const std::byte* const used = first_nonzero(low, page_end);
                if (used != page_end) {
                    return used;
                }
            }
            low = page_end;
        }
    }
    return top;
}

}  // namespace tombolo::kernel
