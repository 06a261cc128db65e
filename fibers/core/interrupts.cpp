#include "fibers/core/interrupts.hpp"

#include "fibers/core/delivery.hpp"
#include "fibers/core/detached_record.hpp"
#include "fibers/core/run_context.hpp"
#include "fibers/core/signal_registry.hpp"

#include <tombolo/fibers/keyboard_interrupt.hpp>

#include <atomic>
#include <csignal>
#include <cstdint>

#include <unistd.h>

namespace tombolo {

namespace kernel {

namespace {

// Of the one run that takes interrupts: runs on the program's main thread only do, and one of them at a time.
constinit std::atomic<bool> interrupt_seen{false};
constinit std::atomic<entry_queue*> interrupted_queue{nullptr};

constinit unsigned taken_in = 0;  // the fork_generation of that run

bool tell_run(signal_subscriber&, std::uint64_t) noexcept {
    // A child has no run that could be told, unless it starts one.
    if (taken_in != fork_generation) return false;
    interrupt_seen.store(true, std::memory_order_seq_cst);
    if (entry_queue* queue = interrupted_queue.load(std::memory_order_seq_cst)) queue->wake_up.raise();
    return true;
}

constinit signal_subscriber subscriber{tell_run};

bool on_main_thread() noexcept {
    // In a child that another thread forked this is a stale no, which is safe: SIGINT keeps its default action.
    thread_local const bool is_main = ::getpid() == ::gettid();
    return is_main;
}

}  // namespace

interrupt_handler::interrupt_handler(run_state& run) noexcept : run_(run) {
    if (on_main_thread() && taken_in != fork_generation) {
        // The parent's run, which does not go on here, had it.
        if (interrupted_queue.exchange(nullptr) != nullptr) unsubscribe(SIGINT, subscriber);
        interrupt_seen.store(false);
        taken_in = fork_generation;
    }
    if (!on_main_thread() || !subscribe_as_last_resort(SIGINT, subscriber)) return;
    run_.owns_interrupts = true;
    interrupted_queue.store(run.entries.get(), std::memory_order_seq_cst);
    if (interrupt_seen.load(std::memory_order_seq_cst)) run.entries->wake_up.raise();
}

interrupt_handler::~interrupt_handler() {
    if (!run_.owns_interrupts) return;
    unsubscribe(SIGINT, subscriber);
    interrupted_queue.store(nullptr, std::memory_order_seq_cst);
    run_.owns_interrupts = false;
    // It came when nobody looked any more: as if it had come a moment later.
    if (interrupt_seen.exchange(false, std::memory_order_seq_cst)) raise_again(SIGINT);
}

void take_interrupt(run_state& run) noexcept {
    if (!run.owns_interrupts || !interrupt_seen.exchange(false)) return;
    run.attend(attention_bits::interrupt, true);
    if (run.main == nullptr) return;
    delivery::attempt(*run.main);
}

}  // namespace kernel

namespace lowlevel {

interrupt_guard::interrupt_guard(mode wanted) {
    kernel::task_state& task = kernel::require_task("interrupt_guard");
    protected_before_ = task.interrupt_protected;
    task.interrupt_protected = wanted == mode::protect;
}

interrupt_guard::~interrupt_guard() {
    if (kernel::current_task() == nullptr) kernel::go_home_before_leaving();
    // Null on a fiber that was detached for good.
    if (kernel::task_state* task = kernel::current_task()) task->interrupt_protected = protected_before_;
}

bool currently_interrupt_protected() noexcept {
    const kernel::task_state* task = kernel::current_task();
    return task == nullptr || task != task->run->main || task->interrupt_protected;
}

}  // namespace lowlevel
}  // namespace tombolo
