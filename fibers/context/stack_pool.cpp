#include "fibers/context/stack_pool.hpp"

#include "fibers/context/stack_exhaustion.hpp"
#include "fibers/context/stack_high_water.hpp"
#include "fibers/context/valgrind.hpp"

#include <tombolo/base/assert.hpp>
#include <tombolo/fibers/errors.hpp>

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/mman.h>

namespace tombolo::kernel {

namespace {

constexpr std::size_t smallest_stack = 16 * 1024;
constexpr std::size_t largest_stack = std::size_t{1} << 30;

// Slabs double the slots of their size: a small program maps little, a large one few times.
constexpr std::size_t first_slab_slots = 16;
constexpr std::size_t largest_slab_bytes = std::size_t{1} << 30;

// Refused in memory locked by mlockall, which the program wants resident.
bool give_back_pages(const stack& idle) noexcept {
    return ::madvise(idle.base, idle.usable_bytes(), MADV_DONTNEED) == 0;
}

// Returns how many stacks are left in the list.
std::size_t unlink_disowned(stack*& newest) noexcept {
    std::size_t left = 0;
    for (stack** link = &newest; *link != nullptr;) {
        if ((*link)->owner == nullptr) {
            *link = (*link)->next_free;
        } else {
            link = &(*link)->next_free;
            ++left;
        }
    }
    return left;
}

}  // namespace

std::size_t minimum_stack_size() noexcept { return std::max(smallest_stack, page_size()); }

void check_stack_size(std::size_t bytes) {
    const std::size_t page = page_size();
    const std::size_t least = minimum_stack_size();
    if (bytes < least) {
        throw invalid_stack_size(
            "a stack_size of " + std::to_string(bytes) + " bytes is too small: at least " + std::to_string(least) +
            " are needed; use " + std::to_string(least) + ".");
    }
    if (bytes > largest_stack) {
        throw invalid_stack_size(
            "a stack_size of " + std::to_string(bytes) + " bytes is too large: at most " +
            std::to_string(largest_stack) + " are possible; use " + std::to_string(largest_stack) + " or less.");
    }
    if (bytes % page != 0) {
        throw invalid_stack_size(
            "a stack_size of " + std::to_string(bytes) + " bytes is not a multiple of the page size, " +
            std::to_string(page) + "; use " + std::to_string((bytes / page + 1) * page) + ".");
    }
}

stack_pool::stack_pool(guard_kind kind) : guards_(kind) {}

stack_pool::~stack_pool() {
    TOMBOLO_ASSERT(
        statistics().in_use == 0, "a stack pool dies with its thread while one of its stacks is still in use");
}

stack& stack_pool::allocate_slowly(std::size_t stack_size) {
    stack_class& wanted = class_of(stack_size);
    recent_ = &wanted;
    recent_size_ = stack_size;
    if (wanted.newest_warm_ != nullptr) {
        return reuse(wanted);
    }
    stack* const cold = wanted.take_cold();
    return cold != nullptr ? *cold : cut(wanted);
}

stack_class& stack_pool::class_of(std::size_t stack_size) {
    for (const std::unique_ptr<stack_class>& known : classes_) {
        if (known->stack_size_ == stack_size) {
            return *known;
        }
    }
    return *classes_.emplace_back(new stack_class(stack_size));
}

stack& stack_pool::cut(stack_class& from) {
    if (from.slabs_.empty() || from.slabs_.back().is_used_up()) {
        add_slab(from);
    }
    stack_slab& slab = from.slabs_.back();
    if (const int error = slab.guard_next_slot(guards_); error != 0) {
        throw stack_exhausted(why_no_guard(error, stack_count()));
    }
    ++from.cut_;
    return slab.cut(from);
}

void stack_pool::add_slab(stack_class& to) {
    const slot_layout layout(to.stack_size_);
    const std::size_t most = std::max(largest_slab_bytes / layout.bytes(), std::size_t{1});
    const std::size_t slots = std::min(std::max(to.mapped_slots_, first_slab_slots), most);
    try {
        to.slabs_.emplace_back(layout, slots);
    } catch (const std::system_error& refused) {
        throw stack_exhausted(why_no_mapping(refused.code().value(), to.stack_size_, stack_count()));
    }
    to.mapped_slots_ += to.slabs_.back().slots();
}

stack* stack_class::take_cold() noexcept {
    stack* const taken = newest_cold_;
    if (taken != nullptr) {
        newest_cold_ = taken->next_free;
        --cold_;
        make_readable(*taken);
    }
    return taken;
}

std::size_t stack_class::cool(stack** link, std::size_t most) noexcept {
    std::size_t cooled = 0;
    for (; cooled < most && *link != nullptr; ++cooled) {
        stack* const idle = *link;
        *link = idle->next_free;
        if (idle == idle_from_) {
            idle_from_ = *link;
        }
        idle->next_free = newest_cold_;
        newest_cold_ = idle;
        give_back_pages(*idle);
    }
    taken_ += cooled;
    cold_ += cooled;
    return cooled;
}

void stack_pool::trim(std::size_t keep) noexcept {
    for (const std::unique_ptr<stack_class>& each : classes_) {
        stack** link = &each->newest_warm_;
        for (std::size_t newer = 0; newer < keep && *link != nullptr; ++newer) {
            link = &(*link)->next_free;
        }
        each->cool(link, each->warm());
    }
}

bool stack_pool::trim_idle() noexcept {
    std::size_t allowed = idle_batch;
    bool some_are_left = false;
    for (const std::unique_ptr<stack_class>& each : classes_) {
        if (each->idle_from_ != nullptr) {
            stack** link = &each->newest_warm_;
            while (*link != each->idle_from_) {
                link = &(*link)->next_free;
            }
            allowed -= each->cool(link, allowed);
            some_are_left |= each->idle_from_ != nullptr;
        }
        each->idle_from_ = each->newest_warm_;
    }
    return some_are_left;
}

void stack_pool::shrink() noexcept {
    std::size_t room = kept_slots;
    for (const std::unique_ptr<stack_class>& each : classes_) {
        if (each->in_use() != 0) {
            continue;
        }
        auto doomed = each->slabs_.begin();
        while (doomed != each->slabs_.end() && doomed->slots() <= room) {
            room -= doomed->slots();
            ++doomed;
        }
        if (doomed != each->slabs_.end()) {
            each->drop_slabs(doomed);
        }
    }
}

void stack_class::drop_slabs(std::vector<stack_slab>::iterator from) noexcept {
    peak_before_shrink_ = std::max(peak_before_shrink_, cut_);
    for (auto doomed = from; doomed != slabs_.end(); ++doomed) {
        doomed->disown();
        cut_ -= doomed->cut_slots();
        mapped_slots_ -= doomed->slots();
    }
    taken_ = put_ - unlink_disowned(newest_warm_);
    cold_ = unlink_disowned(newest_cold_);
    idle_from_ = nullptr;
    slabs_.erase(from, slabs_.end());
}

stack_statistics stack_pool::statistics() const noexcept {
    stack_statistics sum;
    sum.guards = guards_ == guard_kind::automatic ? guard_kind_here() : guards_;
    sum.sizes = classes_.size();
    for (const std::unique_ptr<stack_class>& each : classes_) {
        sum.in_use += each->in_use();
        sum.free += each->warm() + each->cold_;
        sum.peak_in_use += std::max(each->cut_, each->peak_before_shrink_);
        sum.mapped_slots += each->mapped_slots_;
        sum.slabs += each->slabs_.size();
        for (const stack_slab& slab : each->slabs_) {
            sum.mapped_bytes += slab.mapped_bytes();
        }
    }
    return sum;
}

std::size_t stack_pool::stack_count() const noexcept {
    std::size_t count = 0;
    for (const std::unique_ptr<stack_class>& each : classes_) {
        count += each->cut_;
    }
    return count;
}

std::size_t stack_pool::measure_used(const stack& measured) noexcept {
    const valgrind_silence below_the_frames;
    return static_cast<std::size_t>(measured.top - lowest_used_byte(measured.base, measured.top));
}

void stack_pool::make_zero(stack& unused) noexcept {
    make_readable(unused);
    if (!give_back_pages(unused)) {
        std::memset(unused.base, 0, unused.usable_bytes());
    }
}

namespace {

std::unique_ptr<stack_pool>& pool_of_this_thread() {
    thread_local std::unique_ptr<stack_pool> pool;
    return pool;
}

}  // namespace

stack_pool& this_thread_stack_pool() {
    std::unique_ptr<stack_pool>& pool = pool_of_this_thread();
    if (pool == nullptr) pool = std::make_unique<stack_pool>();
    return *pool;
}

void give_up_this_thread_stack_pool() {
    // Reachable for ever, so that no leak checker mistakes it for an accident.
    static std::mutex mutex;
    static auto& given_up = *new std::vector<std::unique_ptr<stack_pool>>;
    const std::lock_guard lock(mutex);
    given_up.push_back(std::move(pool_of_this_thread()));
}

}  // namespace tombolo::kernel
