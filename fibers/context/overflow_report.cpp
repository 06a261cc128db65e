#include "fibers/context/overflow_report.hpp"

#include "fibers/context/overflow_message.hpp"

#include <atomic>
#include <cerrno>
#include <cstdint>

#include <signal.h>
#include <sys/ucontext.h>
#include <unistd.h>

namespace tombolo::kernel {

namespace {

std::atomic<overflow_lookup> running_fiber{nullptr};

// Written before our handler is installed and never after; the handler of any thread may read it.
struct sigaction previous{};
std::atomic<bool> previous_was_used_up{false};

void write_to_stderr(const char* text, std::size_t length) noexcept {
    while (length > 0) {
        const ssize_t written = ::write(STDERR_FILENO, text, length);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return;
        }
        text += written;
        length -= static_cast<std::size_t>(written);
    }
}

std::uintptr_t stack_pointer_in(const void* context) noexcept {
    [[maybe_unused]] const auto& registers = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
    return static_cast<std::uintptr_t>(registers.gregs[REG_RSP]);
#elif defined(__aarch64__)
    return static_cast<std::uintptr_t>(registers.sp);
#else
    return 0;  // where we cannot tell, the address decides alone
#endif
}

bool is_claimed(const siginfo_t& fault, const void* context, overflow_subject& subject) noexcept {
    const overflow_lookup lookup = running_fiber.load(std::memory_order_acquire);
    const bool was_sent = fault.si_code <= 0;
    return !was_sent && lookup != nullptr && lookup(subject) &&
        is_overflow(subject, reinterpret_cast<std::uintptr_t>(fault.si_addr), stack_pointer_in(context));
}

void restore_previous(int signal) noexcept { ::sigaction(signal, &previous, nullptr); }

void call_previous_handler(int signal, siginfo_t* fault, void* context) noexcept {
    sigset_t before;
    ::pthread_sigmask(SIG_BLOCK, &previous.sa_mask, &before);
    if ((previous.sa_flags & SA_NODEFER) != 0) {
        sigset_t itself;
        sigemptyset(&itself);
        sigaddset(&itself, signal);
        ::pthread_sigmask(SIG_UNBLOCK, &itself, nullptr);
    }
    if ((previous.sa_flags & SA_SIGINFO) != 0) {
        previous.sa_sigaction(signal, fault, context);
    } else {
        previous.sa_handler(signal);
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void pass_on(int signal, siginfo_t* fault, void* context) noexcept {
    const bool was_sent = fault->si_code <= 0;
    const bool is_handler =
        (previous.sa_flags & SA_SIGINFO) != 0 || (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN);
    if (is_handler) {
        if ((previous.sa_flags & static_cast<int>(SA_RESETHAND)) != 0 && previous_was_used_up.exchange(true)) {
            ::signal(signal, SIG_DFL);
        } else {
            call_previous_handler(signal, fault, context);
        }
        return;
    }
    if (was_sent && previous.sa_handler == SIG_IGN) {
        return;
    }
    // A fault happens again at the same instruction once we return; a signal that was sent has to be sent again.
    restore_previous(signal);
    if (was_sent) {
        ::raise(signal);
    }
}

void on_fault(int signal, siginfo_t* fault, void* context) noexcept {
    const int error = errno;
    overflow_subject subject{};
    if (is_claimed(*fault, context, subject)) {
        overflow_message message;
        message.compose(subject, fault->si_addr);
        write_to_stderr(message.text(), message.length());
        restore_previous(signal);
    } else {
        pass_on(signal, fault, context);
    }
    errno = error;
}

}  // namespace

bool is_overflow(const overflow_subject& subject, std::uintptr_t address, std::uintptr_t stack_pointer) noexcept {
    constexpr std::uintptr_t most_pushed_at_once = 1024;  // a red zone, or one instruction's pushes
    const auto low = reinterpret_cast<std::uintptr_t>(subject.guard_low);
    const auto high = reinterpret_cast<std::uintptr_t>(subject.guard_high);
    return address >= low && address < high && stack_pointer < high + most_pushed_at_once;
}

void install_overflow_report(overflow_lookup lookup) noexcept {
    running_fiber.store(lookup, std::memory_order_release);
    static const bool installed = [] {
        ::sigaction(SIGSEGV, nullptr, &previous);
        struct sigaction ours{};
        ours.sa_sigaction = &on_fault;
        ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
        sigemptyset(&ours.sa_mask);
        return ::sigaction(SIGSEGV, &ours, nullptr) == 0;
    }();
    static_cast<void>(installed);
}

}  // namespace tombolo::kernel
