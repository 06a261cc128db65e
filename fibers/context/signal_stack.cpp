#include "fibers/context/signal_stack.hpp"

#include "fibers/context/stack_guard.hpp"

#include <algorithm>

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

namespace tombolo::kernel {

namespace {

// Handlers of the program that we pass faults on to run here too, and a backtrace wants room. Untouched pages cost
// nothing.
constexpr std::size_t handler_bytes = 64 * 1024;

std::size_t signal_stack_bytes() noexcept {
    const long least = ::sysconf(_SC_SIGSTKSZ);  // grows with the vector registers that the kernel saves
    const std::size_t page = page_size();
    const std::size_t wanted = handler_bytes + (least > 0 ? static_cast<std::size_t>(least) : 0);
    return (wanted + page - 1) / page * page;
}

}  // namespace

signal_stack::signal_stack() noexcept {
    stack_t present{};
    if (::sigaltstack(nullptr, &present) != 0 || (present.ss_flags & SS_DISABLE) == 0) {
        return;
    }
    const std::size_t guard = page_size();
    const std::size_t bytes = guard + signal_stack_bytes();
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) {
        return;
    }
    ::mprotect(memory, guard, PROT_NONE);  // unguarded if refused: better than none
    stack_t ours{};
    ours.ss_sp = static_cast<std::byte*>(memory) + guard;
    ours.ss_size = bytes - guard;
    if (::sigaltstack(&ours, nullptr) != 0) {
        ::munmap(memory, bytes);
        return;
    }
    mapping_ = memory;
    mapped_bytes_ = bytes;
}

signal_stack::~signal_stack() {
    if (mapping_ == nullptr) {
        return;
    }
    stack_t present{};
    if (::sigaltstack(nullptr, &present) == 0 && present.ss_sp == static_cast<std::byte*>(mapping_) + page_size()) {
        stack_t none{};
        none.ss_flags = SS_DISABLE;
        ::sigaltstack(&none, nullptr);
    }
    ::munmap(mapping_, mapped_bytes_);
}

}  // namespace tombolo::kernel
