#include "fibers/context/overflow_report.hpp"

#include "fibers/context/overflow_message.hpp"
#include "fibers/context/sanitizer.hpp"
#include "fibers/context/signal_stack.hpp"
#include "fibers/context/stack_pool.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tombolo::kernel {
namespace {

using testing::AllOf;
using testing::ExitedWithCode;
using testing::HasSubstr;
using testing::Not;

constexpr std::size_t stack_size = 2 * 1024 * 1024;  // ThreadSanitizer wants 1 MiB for itself

/// The fiber that "runs" on this thread, as the kernel's lookup would find it. Atomic: a signal handler reads it.
thread_local std::atomic<const stack*> running_stack{nullptr};

void say(std::string_view words) {
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, words.data(), words.size());
}

bool find_running(overflow_subject& subject) noexcept {
    const stack* const running = running_stack;
    if (running == nullptr) {
        say("looked up in vain;");
        return false;
    }
    say("looked up;");
    subject.guard_low = running->guard_low();
    subject.guard_high = running->guard_high();
    subject.stack_size = running->owner->stack_size();
    subject.task_name = "deep thought";
    return true;
}

/// Runs `body` on a stack of a pool, in a thread, because a thread is the one fiber that every sanitizer understands.
/// Its own bookkeeping lies at the top of that stack.
template <class Body>
void run_on(stack& memory, Body body) {
    struct package {
        stack& memory;
        Body& body;
    } both{memory, body};
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    ASSERT_EQ(pthread_attr_setstack(&attributes, memory.base, memory.usable_bytes()), 0);
    pthread_t thread{};
    const auto start = [](void* argument) -> void* {
        auto& unpacked = *static_cast<package*>(argument);
        const signal_stack alternate;
        running_stack = &unpacked.memory;
        unpacked.body();
        running_stack = nullptr;
        return nullptr;
    };
    ASSERT_EQ(pthread_create(&thread, &attributes, start, &both), 0);
    pthread_attr_destroy(&attributes);
    pthread_join(thread, nullptr);
}

template <class Body>
void run_on_a_stack(Body body, std::size_t size = stack_size, guard_kind guards = guard_kind::automatic) {
    stack_pool pool(guards);
    stack& memory = pool.allocate(size);
    run_on(memory, body);
    pool.release(memory);
}

volatile int recursion_limit = 1'000'000'000;

__attribute__((noinline)) int recurse(int depth) {
    volatile char frame[256];
    frame[0] = static_cast<char>(depth);
    if (depth == recursion_limit) return 0;
    return recurse(depth + 1) + frame[0];
}

void overflow_the_stack() {
    if (recurse(0) == 42) std::abort();
}

void write_to(const void* address) { *static_cast<volatile char*>(const_cast<void*>(address)) = 1; }

/// An address that is certain to fault, found out at run time so that no compiler objects.
void* bad_address() {
    static void* const page = ::mmap(nullptr, page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page;
}

/// A sanitizer's own handler, which is then the previous one, prints a report and exits.
bool died_of_the_fault(int status) {
#if defined(TOMBOLO_ASAN) || defined(TOMBOLO_TSAN)
    return WIFEXITED(status) && WEXITSTATUS(status) != 0;
#else
    return testing::KilledBySignal(SIGSEGV)(status);
#endif
}

void exit_42_from_sigaction_handler(int, siginfo_t* fault, void*) {
    say(fault->si_addr == bad_address() ? "the user's handler got the address"
                                        : "the user's handler got something else");
    ::_exit(42);
}

void exit_43_from_plain_handler(int) {
    say("the user's plain handler");
    ::_exit(43);
}

void mend_the_page(int, siginfo_t* fault, void*) {
    say("mended;");
    if (::mprotect(fault->si_addr, page_size(), PROT_READ | PROT_WRITE) != 0) ::_exit(44);
}

void install_user_handler(void (*handler)(int, siginfo_t*, void*), int flags = 0) {
    struct sigaction action{};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    ASSERT_EQ(::sigaction(SIGSEGV, &action, nullptr), 0);
}

auto is_reported() { return HasSubstr("tombolo: stack overflow in task \"deep thought\""); }

auto is_not_reported() { return Not(HasSubstr("tombolo: stack overflow")); }

TEST(overflow_report, names_the_task_its_stack_and_what_to_change_and_dies_by_the_fault) {
    for (const guard_kind guards : {guard_kind::automatic, guard_kind::mprotect}) {
        EXPECT_EXIT(
            {
                install_overflow_report(&find_running);
                run_on_a_stack(overflow_the_stack, stack_size, guards);
            },
            died_of_the_fault,
            AllOf(is_reported(), HasSubstr("its stack is 2097152 bytes"), HasSubstr("{.stack_size = 4194304}")));
    }
}

TEST(overflow_report, does_not_stop_a_recursion_that_fits) {
    EXPECT_EXIT(
        {
            install_overflow_report(&find_running);
            recursion_limit = 1000;
            run_on_a_stack(overflow_the_stack);
            say("fits");
            ::_exit(0);
        },
        ExitedWithCode(0), AllOf(HasSubstr("fits"), is_not_reported()));
}

TEST(overflow_report, may_be_installed_by_several_threads_and_reports_once) {
    EXPECT_EXIT(
        {
            std::vector<std::thread> threads;
            for (int i = 0; i < 4; ++i) threads.emplace_back([] { install_overflow_report(&find_running); });
            for (std::thread& each : threads) each.join();
            run_on_a_stack(overflow_the_stack);
        },
        died_of_the_fault,
        testing::AllOf(is_reported(), Not(testing::ContainsRegex("stack overflow in.*stack overflow in"))));
}

TEST(overflow_report, hands_the_repeated_fault_to_an_earlier_handler) {
    EXPECT_EXIT(
        {
            install_user_handler(&exit_42_from_sigaction_handler, SA_ONSTACK);
            install_overflow_report(&find_running);
            run_on_a_stack(overflow_the_stack);
        },
        ExitedWithCode(42), AllOf(is_reported(), HasSubstr("the user's handler got something else")));
}

TEST(overflow_report, does_not_claim_other_faults) {
    EXPECT_EXIT(
        {
            install_overflow_report(&find_running);
            run_on_a_stack([] { write_to(bad_address()); });
        },
        died_of_the_fault, AllOf(HasSubstr("looked up;"), is_not_reported()));
}

TEST(overflow_report, does_not_claim_faults_outside_of_fibers) {
    EXPECT_EXIT(
        {
            install_overflow_report(&find_running);
            write_to(bad_address());
        },
        died_of_the_fault, AllOf(HasSubstr("looked up in vain;"), is_not_reported()));
}

TEST(overflow_report, does_not_claim_a_wild_write_into_the_running_fibers_guard) {
    EXPECT_EXIT(
        {
            install_overflow_report(&find_running);
            run_on_a_stack([] { write_to(running_stack.load()->base - 1); });
        },
        died_of_the_fault, AllOf(HasSubstr("looked up;"), is_not_reported()));
}

TEST(overflow_report, does_not_claim_a_write_into_another_fibers_guard) {
    EXPECT_EXIT(
        {
            install_overflow_report(&find_running);
            stack_pool pool;
            const stack& other = pool.allocate(stack_size);
            run_on(pool.allocate(stack_size), [&] { write_to(other.base - 1); });
        },
        died_of_the_fault, AllOf(HasSubstr("looked up;"), is_not_reported()));
}

TEST(overflow_report, passes_other_faults_to_an_earlier_sigaction_handler) {
    EXPECT_EXIT(
        {
            install_user_handler(&exit_42_from_sigaction_handler);
            install_overflow_report(&find_running);
            run_on_a_stack([] { write_to(bad_address()); });
        },
        ExitedWithCode(42), AllOf(HasSubstr("the user's handler got the address"), is_not_reported()));
}

TEST(overflow_report, passes_other_faults_to_an_earlier_plain_handler) {
    EXPECT_EXIT(
        {
            ::signal(SIGSEGV, &exit_43_from_plain_handler);
            install_overflow_report(&find_running);
            write_to(bad_address());
        },
        ExitedWithCode(43), AllOf(HasSubstr("the user's plain handler"), is_not_reported()));
}

TEST(overflow_report, stays_installed_when_an_earlier_handler_mends_the_fault) {
    EXPECT_EXIT(
        {
            install_user_handler(&mend_the_page);
            install_overflow_report(&find_running);
            write_to(bad_address());
            run_on_a_stack(overflow_the_stack);
        },
        testing::KilledBySignal(SIGSEGV), AllOf(HasSubstr("mended;"), is_reported()));
}

TEST(overflow_report, calls_an_earlier_one_shot_handler_once) {
    EXPECT_EXIT(
        {
            install_user_handler(&mend_the_page, static_cast<int>(SA_RESETHAND));
            install_overflow_report(&find_running);
            write_to(bad_address());
            ::mprotect(bad_address(), page_size(), PROT_NONE);
            write_to(bad_address());
        },
        testing::KilledBySignal(SIGSEGV),
        AllOf(HasSubstr("mended;"), Not(HasSubstr("mended;mended;")), is_not_reported()));
}

TEST(overflow_report, lets_a_signal_that_was_sent_do_what_it_did_before) {
    EXPECT_EXIT(
        {
            install_overflow_report(&find_running);
            ::kill(::getpid(), SIGSEGV);
        },
        died_of_the_fault, is_not_reported());
    EXPECT_EXIT(
        {
            ::signal(SIGSEGV, SIG_IGN);
            install_overflow_report(&find_running);
            ::kill(::getpid(), SIGSEGV);
            ::_exit(7);
        },
        ExitedWithCode(7), is_not_reported());
}

TEST(overflow_report, a_fault_that_was_ignored_kills_all_the_same) {
    EXPECT_EXIT(
        {
            ::signal(SIGSEGV, SIG_IGN);
            install_overflow_report(&find_running);
            write_to(bad_address());
        },
        testing::KilledBySignal(SIGSEGV), is_not_reported());
}

TEST(overflow_report, an_overflow_is_a_fault_in_the_guard_with_the_stack_pointer_near_or_below_it) {
    auto* const guard_low = reinterpret_cast<const std::byte*>(std::uintptr_t{0x10000});
    auto* const guard_high = reinterpret_cast<const std::byte*>(std::uintptr_t{0x15000});
    const overflow_subject subject{guard_low, guard_high, 0x40000, "task"};
    EXPECT_TRUE(is_overflow(subject, 0x14ff8, 0x15000)) << "a push";
    EXPECT_TRUE(is_overflow(subject, 0x14f80, 0x15000)) << "the red zone";
    EXPECT_TRUE(is_overflow(subject, 0x10000, 0x10000)) << "a large frame, at its low end";
    EXPECT_TRUE(is_overflow(subject, 0x14fff, 0x9000)) << "a frame larger than the guard, at its high end";
    EXPECT_FALSE(is_overflow(subject, 0x15000, 0x15000)) << "the stack itself";
    EXPECT_FALSE(is_overflow(subject, 0xffff, 0x15000)) << "below the guard";
    EXPECT_FALSE(is_overflow(subject, 0, 0x15000)) << "a null pointer, in the deepest frame that fits";
    EXPECT_FALSE(is_overflow(subject, 0x14ff8, 0x50000)) << "a wild pointer, from a shallow frame";
}

std::string message_for(std::string_view name, std::uintptr_t address) {
    overflow_message message;
    message.compose({nullptr, nullptr, default_stack_size, name}, reinterpret_cast<const void*>(address));
    return {message.text(), message.length()};
}

TEST(overflow_message, is_one_line_with_the_facts_and_the_remedy) {
    EXPECT_EQ(
        message_for("worker", 0x7f00'1234'abcd),
        "tombolo: stack overflow in task \"worker\": its stack is 262144 bytes and the access at 0x7f001234abcd hit "
        "the "
        "guard below it. Give it a larger one: start_soon(f, {.stack_size = 524288}) or, for all tasks, "
        "run(f, {.stack_size = 524288}).\n");
}

TEST(overflow_message, cuts_a_long_name_and_hides_control_characters) {
    const std::string text = message_for("a\n\x1b[2J" + std::string(5000, 'x'), 0);
    EXPECT_THAT(text, AllOf(HasSubstr("\"a??[2Jxxx"), HasSubstr("xxx...\": its stack"), testing::EndsWith("}).\n")));
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
    EXPECT_LT(text.size(), 1024U);
}

}  // namespace
}  // namespace tombolo::kernel
