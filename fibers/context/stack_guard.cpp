#include "fibers/context/stack_guard.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <limits>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace tombolo::kernel {

namespace {

// Not in the C libraries of the systems we support; the number is the kernel's, the same on all our architectures.
constexpr int madv_guard_install = 102;

constexpr std::size_t largest_guard = 64 * 1024;
constexpr std::size_t stack_to_guard = 16;

constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max() / 2;

int install_by_madvise(std::byte* low, std::size_t bytes) noexcept {
    while (::madvise(low, bytes, madv_guard_install) != 0) {
        if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

std::size_t read_max_map_count() noexcept {
    char text[32]{};
    const int file = ::open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        [[maybe_unused]] const ssize_t length = ::read(file, text, sizeof text - 1);
        ::close(file);
    }
    const std::size_t count = std::strtoul(text, nullptr, 10);
    return count != 0 ? count : unlimited;
}

// Guards by mprotect of all threads, each of which takes two mappings.
std::atomic<std::size_t> split_mappings{0};

bool leaves_enough_mappings(std::size_t guards) noexcept {
    static std::atomic<std::size_t> limit{read_max_map_count()};
    const auto fits = [&] {
        const std::size_t most = limit.load(std::memory_order_relaxed);
        return 2 * guards + std::min(mappings_left_to_others, most / 2) <= most;
    };
    if (fits()) {
        return true;
    }
    limit.store(read_max_map_count(), std::memory_order_relaxed);  // somebody may have raised it
    return fits();
}

int install_by_mprotect(std::byte* low, std::size_t bytes) noexcept {
    const std::size_t guards = split_mappings.fetch_add(1, std::memory_order_relaxed) + 1;
    int error = ENOMEM;
    if (leaves_enough_mappings(guards)) {
        error = ::mprotect(low, bytes, PROT_NONE) == 0 ? 0 : errno;
    }
    if (error != 0) {
        forget_split_mappings(1);
    }
    return error;
}

guard_kind ask_kernel() noexcept {
    const std::size_t bytes = page_size();
    void* const probe = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (probe == MAP_FAILED) {
        return guard_kind::mprotect;
    }
    const int error = install_by_madvise(static_cast<std::byte*>(probe), bytes);
    ::munmap(probe, bytes);
    return error == 0 ? guard_kind::madvise : guard_kind::mprotect;
}

}  // namespace

guard_kind guard_kind_here() noexcept {
    static const guard_kind kind = ask_kernel();
    return kind;
}

std::size_t page_size() noexcept {
    static const auto bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return bytes;
}

std::size_t guard_size(std::size_t stack_size) noexcept {
    const std::size_t page = page_size();
    const std::size_t wanted = std::min(stack_size / stack_to_guard, largest_guard);
    return std::max(wanted / page * page, page);
}

guard_result install_guard(std::byte* low, std::size_t bytes, guard_kind kind) noexcept {
    const bool may_choose = kind == guard_kind::automatic;
    if (kind == guard_kind::madvise || (may_choose && guard_kind_here() == guard_kind::madvise)) {
        const int error = install_by_madvise(low, bytes);
        if (error != EINVAL || !may_choose) {
            return {error, guard_kind::madvise};
        }
    }
    return {install_by_mprotect(low, bytes), guard_kind::mprotect};
}

void forget_split_mappings(std::size_t guards) noexcept { split_mappings.fetch_sub(guards, std::memory_order_relaxed); }

}  // namespace tombolo::kernel
