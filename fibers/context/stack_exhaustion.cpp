#include "fibers/context/stack_exhaustion.hpp"

#include "fibers/context/stack_guard.hpp"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace tombolo::kernel {

namespace {

// Read without stdio, which would want memory of its own in a process that has none left.
std::string kernel_setting(const char* path) {
    const int file = ::open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return "unknown";
    }
    char text[64];
    const ssize_t length = ::read(file, text, sizeof text);
    ::close(file);
    std::string value(text, length > 0 ? static_cast<std::size_t>(length) : 0);
    while (!value.empty() && value.back() == '\n') {
        value.pop_back();
    }
    return value.empty() ? "unknown" : value;
}

std::string address_space_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return "unlimited";
    }
    return std::to_string(limit.rlim_cur) + " bytes";
}

std::string words_for(int error) { return std::generic_category().message(error); }

std::string count_of(std::size_t stacks) {
    return "This thread has " + std::to_string(stacks) + (stacks == 1 ? " stack" : " stacks");
}

}  // namespace

std::string why_no_mapping(int error, std::size_t stack_size, std::size_t stacks) {
    return "no memory can be mapped for another stack of " + std::to_string(stack_size) + " bytes: mmap says \"" +
        words_for(error) + "\". " + count_of(stacks) + ". Limits: address space (RLIMIT_AS, ulimit -v) " +
        address_space_limit() + ", vm.overcommit_memory " + kernel_setting("/proc/sys/vm/overcommit_memory") +
        " (2 counts every stack in full), vm.max_map_count " + kernel_setting("/proc/sys/vm/max_map_count") +
        " mappings per process. Raise the one that binds, use a smaller stack_size, or run fewer tasks at once.";
}

std::string why_no_guard(int error, std::size_t stacks) {
    if (error != ENOMEM) {
        return "the guard below another stack cannot be installed: the kernel says \"" + words_for(error) + "\". " +
            count_of(stacks) +
            ". Guards need Linux 6.13 or later (MADV_GUARD_INSTALL, not in memory locked by mlockall) or mprotect; use "
            "guard_kind::automatic, which takes what there is.";
    }
    return "the guard below another stack cannot be installed: the kernel says \"" + words_for(error) + "\". " +
        count_of(stacks) + ". A stack guarded by mprotect takes two memory mappings; vm.max_map_count = " +
        kernel_setting("/proc/sys/vm/max_map_count") + " limits those of the process, and the last " +
        std::to_string(mappings_left_to_others) +
        " are left to the rest of it. Raise it (sysctl -w vm.max_map_count=1048576), run fewer tasks at once (a "
        "capacity_limiter around start_soon), or run on Linux 6.13 or later, where guards take no mappings.";
}

}  // namespace tombolo::kernel
