#include <tombolo/testing/test_run.hpp>

#include "fibers/context/stack_pool.hpp"
#include "fibers/core/run_context.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/exception_group.hpp>
#include <tombolo/fibers/run.hpp>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <random>
#include <set>
#include <string>

namespace tombolo::testing {

namespace {

thread_local mock_clock* clock_under_test = nullptr;

std::uint64_t choose_seed() {
    if (const char* fixed = std::getenv("TOMBOLO_TEST_SEED")) return std::strtoull(fixed, nullptr, 10);
    return std::random_device{}();
}

std::set<std::string> open_descriptors() {
    std::set<std::string> found;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", ignored)) {
        const auto target = std::filesystem::read_symlink(entry.path(), ignored);
        // The listing's own descriptor is gone by the time it is read.
        if (!ignored) found.insert(entry.path().filename().string() + " -> " + target.string());
    }
    std::erase_if(found, [](const std::string& line) { return line.find("/proc/") != std::string::npos; });
    return found;
}

std::string left_behind(const std::set<std::string>& before, std::size_t stacks_before) {
    std::string text;
    for (const std::string& descriptor : open_descriptors())
        if (!before.contains(descriptor)) text += "the test left a descriptor open: " + descriptor + "\n";
    const std::size_t stacks = kernel::this_thread_stack_pool().statistics().in_use;
    if (stacks != stacks_before)
        text += "the test left " + std::to_string(stacks - stacks_before) + " fiber stacks in use\n";
    if (kernel::this_thread.run != nullptr) text += "the test left a run installed on its thread\n";
    return text;
}

}  // namespace

mock_clock& test_clock() {
    if (clock_under_test == nullptr)
        throw usage_error("test_clock: no test is running on this thread; call it inside TOMBOLO_TEST");
    return *clock_under_test;
}

test_report run_test_body(const std::function<void()>& body) {
    test_report report{.seed = choose_seed(), .failure = {}};
    const auto descriptors = open_descriptors();
    const std::size_t stacks = kernel::this_thread_stack_pool().statistics().in_use;
    mock_clock clock{{.rate = 0.0, .autojump_threshold = duration::zero()}};
    clock_under_test = &clock;
    try {
        run(body, {.clock = &clock, .seed = report.seed, .detect_deadlock = true});
    } catch (...) {
        report.failure = "the test body threw " + describe(std::current_exception()) + "\n";
    }
    clock_under_test = nullptr;
    report.failure += left_behind(descriptors, stacks);
    return report;
}

}  // namespace tombolo::testing
