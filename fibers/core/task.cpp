#include <tombolo/fibers/task.hpp>

#include "fibers/context/fiber_backtrace.hpp"
#include "fibers/core/run_context.hpp"
#include "fibers/core/run_state.hpp"
#include "fibers/type_name.hpp"

namespace tombolo {

kernel::task_state& task::state() noexcept { return static_cast<kernel::task_state&>(*this); }
const kernel::task_state& task::state() const noexcept { return static_cast<const kernel::task_state&>(*this); }

std::string task::name() const { return label().to_string(); }

lowlevel::task_label task::label() const noexcept {
    const kernel::task_state& self = state();
    return {self.extras != nullptr ? std::string_view(self.extras->name) : std::string_view(), self.operations->type};
}

const char* task::waiting_in() const noexcept {
    const kernel::wait_record* wait = state().wait;
    return wait != nullptr ? wait->where : nullptr;
}

std::uint64_t task::id() const noexcept { return state().id; }

nursery* task::parent_nursery() const noexcept { return state().parent; }

nursery* task::eventual_parent_nursery() const noexcept { return state().eventual_parent; }

std::vector<nursery*> task::child_nurseries() const {
    std::vector<nursery*> open;
    for (nursery& each : state().nurseries) open.push_back(&each);
    return open;
}

flavour task::flavour() const noexcept { return state().tag; }

void*& task::custom_sleep_data() noexcept { return state().sleep_data; }

std::size_t task::stack_size() const noexcept { return state().stack_size; }

std::size_t task::stack_used() const noexcept {
    const kernel::task_state& self = state();
    return self.run->measure_stacks && self.fiber.memory != nullptr
        ? kernel::stack_pool::measure_used(*self.fiber.memory)
        : 0;
}

std::vector<void*> task::backtrace() const {
    const kernel::task_state& self = state();
    if (!kernel::has_started(self.fiber) || &self == kernel::current_task() || kernel::this_thread.run != self.run)
        return {};
    return kernel::backtrace_of(self.fiber);
}

namespace lowlevel {

std::string task_label::to_string() const { return given.empty() ? kernel::type_name(*type) : std::string(given); }

task& current_task() { return kernel::require_task("current_task"); }

task& current_root_task() {
    kernel::task_state* root = kernel::require_run("current_root_task").root;
    if (root == nullptr)
        throw not_in_run(
            "current_root_task: the run on this thread has not started its tasks yet or has ended them all");
    return *root;
}

}  // namespace lowlevel
}  // namespace tombolo
