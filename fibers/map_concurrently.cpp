#include <tombolo/fibers/map_concurrently.hpp>

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/park.hpp>
#include <tombolo/fibers/task.hpp>

#include <string>
#include <utility>

namespace tombolo::kernel {

void running_tasks::wait_for_room() {
    if (running_ == limit_) {
        starter_ = &lowlevel::current_task();
        lowlevel::park(
            [this](const lowlevel::raise_cancel&) {
                starter_ = nullptr;
                return lowlevel::abort::succeeded;
            },
            "map_concurrently");
    }
    // Room was made by one that ended well; another one may have failed since.
    kernel::checkpoint_if_cancelled("map_concurrently");
}

void running_tasks::end_one() {
    --running_;
    if (starter_ != nullptr) lowlevel::reschedule(*std::exchange(starter_, nullptr));
}

std::size_t require_some(std::size_t limit, const char* what) {
    if (limit == 0)
        throw invalid_count(std::string(what) + " must be at least 1, but it is 0, and then nothing would ever run");
    return limit;
}

}  // namespace tombolo::kernel
