#pragma once

#include "fibers/context/fiber.hpp"

#include <cstddef>
#include <deque>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace bench {

/// A run queue on our own switch and our own stacks, and nothing else: no cancellation, no deadlines, no I/O, no errors, no
/// checks. The queue is a ring, the running task and all runnable ones, so that a yield moves no task at all. What our kernel costs more than this is what its features cost. Like the kernel it gives a task its stack at
/// its first step, and lets a new task take over the stack of one that ends.
class floor {
public:
    struct task {
        static constexpr std::size_t callable_space = 64;

        tombolo::kernel::fiber fiber;
        task* next = nullptr;
        task* parent = nullptr;
        int children = 0;
        bool joining = false;
        void (*call)(task&) = nullptr;
        alignas(std::max_align_t) std::byte callable[callable_space];
    };

    floor() {
        tombolo::kernel::remember_exception_state();
        root_.next = &root_;
    }
    floor(const floor&) = delete;
    floor& operator=(const floor&) = delete;

    /// Starts a child of the running task. It runs when its turn comes.
    template <typename Function>
    void spawn(Function function) {
        static_assert(sizeof(Function) <= task::callable_space && std::is_trivially_destructible_v<Function>);
        task& child = new_record();
        child.parent = running_;
        child.call = [](task& self) { (*std::launder(reinterpret_cast<Function*>(self.callable)))(); };
        ::new (static_cast<void*>(child.callable)) Function(std::move(function));
        ++running_->children;
        append(child);
    }

    /// Waits until all children of the running task have ended.
    void join() {
        if (running_->children != 0) {
            running_->joining = true;
            park();
        }
    }

    [[gnu::always_inline]] void yield() {
        last_ = running_;
        if (running_->next != running_) {
            switch_to(*running_->next);
        }
    }

    /// Requires: somebody else is runnable, and will wake this task.
    [[gnu::always_inline]] void park() {
        last_->next = running_->next;
        switch_to(*running_->next);
    }

    void wake(task& parked) { append(parked); }

    task& running() { return *running_; }

private:
    void append(task& runnable) {
        runnable.next = running_;
        last_->next = &runnable;
        last_ = &runnable;
    }

    [[gnu::always_inline]] void switch_to(task& to) {
        task& from = *running_;
        running_ = &to;
        if (has_not_begun(to)) [[unlikely]] {
            tombolo::kernel::prepare_fiber(to.fiber, stacks_.allocate(tombolo::kernel::default_stack_size), &main);
            current_ = this;
        }
        tombolo::kernel::switch_fiber(from.fiber, to.fiber);
    }

    static bool has_not_begun(const task& of) { return of.fiber.memory == nullptr && of.call != nullptr; }

    /// Runs tasks on this stack for as long as the next one has not begun yet.
    static void main(tombolo::kernel::fiber& first) {
        floor& self = *current_;
        tombolo::kernel::stack& memory = *first.memory;
        for (;;) {
            task& ended = *self.running_;
            ended.call(ended);
            task& parent = *ended.parent;
            if (--parent.children == 0 && parent.joining) {
                parent.joining = false;
                self.append(parent);
            }
            self.running_ = self.last_->next = ended.next;
            ended.fiber.memory = nullptr;
            self.free_.push_back(&ended);
            task& next = *self.running_;
            if (!has_not_begun(next)) {
                self.stacks_.release(memory);
                tombolo::kernel::leave_for_good(next.fiber);
            }
            next.fiber.memory = &memory;
        }
    }

    task& new_record() {
        if (free_.empty()) {
            return records_.emplace_back();
        }
        task& record = *free_.back();
        free_.pop_back();
        return record;
    }

    inline static thread_local floor* current_ = nullptr;

    tombolo::kernel::stack_pool& stacks_ = tombolo::kernel::this_thread_stack_pool();
    task root_;
    task* running_ = &root_;  // 1. The ring is running_, running_->next and so on up to last_, whose next is running_.
    task* last_ = &root_;
    std::deque<task> records_;
    std::vector<task*> free_;
};

}  // namespace bench
