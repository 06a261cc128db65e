#include <tombolo/fibers/exception_group.hpp>

#include "fibers/group_state.hpp"

#include <cstring>
#include <stdexcept>
#include <utility>

namespace tombolo {

namespace kernel {

namespace {

// Destroying a group destroys the groups in it. A tower of nested groups, as a chain of tasks leaves behind, is taken
// down in a loop, because a fiber's stack may be too small to recurse.
void bury(const group_state* dead) noexcept {
    thread_local const group_state* waiting = nullptr;
    thread_local bool digging = false;
    dead->next_dead = std::exchange(waiting, dead);
    if (digging) {
        return;
    }
    digging = true;
    while (waiting != nullptr) {
        const group_state* next = waiting;
        waiting = next->next_dead;
        delete next;
    }
    digging = false;
}

#ifdef TOMBOLO_READS_EXCEPTION_PTR

// libstdc++'s exception_ptr is the address of the thrown object and nothing else.
void* thrown_object(const std::exception_ptr& error) noexcept {
    static_assert(sizeof(std::exception_ptr) == sizeof(void*));
    void* object = nullptr;
    std::memcpy(&object, &error, sizeof object);
    return object;
}

template <class T>
bool is_exactly(const std::type_info& type) noexcept {
    return &type == &typeid(T) || type == typeid(T);
}

#endif

}  // namespace

const base_exception_group* as_group(const std::exception_ptr& error) noexcept {
#ifdef TOMBOLO_READS_EXCEPTION_PTR
    const std::type_info& type = *error.__cxa_exception_type();
    if (is_exactly<exception_group>(type)) {
        return static_cast<const exception_group*>(thrown_object(error));
    }
    return is_exactly<base_exception_group>(type) ? static_cast<const base_exception_group*>(thrown_object(error))
                                                  : nullptr;
#else
    try {
        std::rethrow_exception(error);
    } catch (const base_exception_group& group) {
        return &group;
    } catch (...) {
        return nullptr;
    }
#endif
}

#ifdef TOMBOLO_READS_EXCEPTION_PTR
bool handler_catches(const std::type_info& wanted, const std::exception_ptr& error) noexcept {
    if (!error) {
        return false;
    }
    void* object = thrown_object(error);
    return wanted.__do_catch(error.__cxa_exception_type(), &object, 1);
}
#endif

group_state::group_state(std::string message_, std::vector<std::exception_ptr> exceptions_, bool loose_)
    : message(std::move(message_)), exceptions(std::move(exceptions_)), loose(loose_) {
    collapsible = loose && exceptions.size() == 1;
    for (const std::exception_ptr& error : exceptions) {
        if (is_cancelled(error)) {
            ++leaf_count;
            ++cancelled_count;
            all_std = false;
        } else if (const base_exception_group* group = as_group(error)) {
            const group_state& nested = of(*group);
            leaf_count += nested.leaf_count;
            cancelled_count += nested.cancelled_count;
            all_std = all_std && nested.all_std;
            collapsible = collapsible || nested.collapsible;
        } else {
            ++leaf_count;
            all_std = all_std && holds<std::exception>(error);
        }
    }
}

}  // namespace kernel

using kernel::as_group;
using kernel::group_state;

bool is_cancelled(const std::exception_ptr& error) noexcept {
#ifdef TOMBOLO_READS_EXCEPTION_PTR
    return error && kernel::is_exactly<cancelled>(*error.__cxa_exception_type());
#else
    return kernel::holds_by_rethrow<cancelled>(error);
#endif
}

base_exception_group::base_exception_group(std::shared_ptr<const group_state> state) noexcept
    : state_(std::move(state)) {}

base_exception_group::~base_exception_group() = default;

const std::string& base_exception_group::message() const noexcept { return state_->message; }

std::span<const std::exception_ptr> base_exception_group::exceptions() const noexcept { return state_->exceptions; }

bool base_exception_group::loose() const noexcept { return state_->loose; }

// Copies may be asked on several threads at once, so whoever comes second drops its own text.
const char* base_exception_group::what() const noexcept {
    if (const std::string* ready = state_->text.load(std::memory_order_acquire)) {
        return ready->c_str();
    }
    try {
        auto text = std::make_unique<std::string>(kernel::draw_tree(*state_));
        const std::string* expected = nullptr;
        if (state_->text.compare_exchange_strong(expected, text.get(), std::memory_order_acq_rel)) {
            return text.release()->c_str();
        }
        return expected->c_str();
    } catch (...) {  // no memory, or a leaf whose own what() threw: the message is better than nothing
        return state_->message.c_str();
    }
}

split_result base_exception_group::split(const std::function<bool(const std::exception_ptr&)>& predicate) const {
    struct level {
        const group_state* group;
        const std::exception_ptr* self;
        std::size_t next = 0;
        std::vector<std::exception_ptr> match;
        std::vector<std::exception_ptr> rest;
        bool divided = false;  // a nested group fell into two, so neither half is this group as it was

        void take(split_result part) {
            divided = divided || (part.match && part.rest);
            if (part.match) {
                match.push_back(std::move(part.match));
            }
            if (part.rest) {
                rest.push_back(std::move(part.rest));
            }
        }
        std::exception_ptr half(std::vector<std::exception_ptr>& part) const {
            if (part.empty()) {
                return nullptr;
            }
            const bool whole = !divided && part.size() == group->exceptions.size();
            return whole ? *self : group->derive(std::move(part));
        }
    };

    const std::exception_ptr self = group_state::group_of(state_);
    if (predicate(self)) {
        return {self, nullptr};
    }
    std::vector<level> open;
    open.push_back({state_.get(), &self, 0, {}, {}});
    for (;;) {
        level& here = open.back();
        if (here.next == here.group->exceptions.size()) {
            split_result done{here.half(here.match), here.half(here.rest)};
            open.pop_back();
            if (open.empty()) {
                return done;
            }
            open.back().take(std::move(done));
            continue;
        }
        const std::exception_ptr& error = here.group->exceptions[here.next++];
        if (predicate(error)) {
            here.take({error, nullptr});
        } else if (const base_exception_group* nested = as_group(error)) {
            open.push_back({&group_state::of(*nested), &error, 0, {}, {}});
        } else {
            here.take({nullptr, error});
        }
    }
}

bool base_exception_group::contains(const std::function<bool(const std::exception_ptr&)>& predicate) const {
    std::vector<const group_state*> open{state_.get()};
    while (!open.empty()) {
        const group_state* const group = open.back();
        open.pop_back();
        for (const std::exception_ptr& error : group->exceptions) {
            if (predicate(error)) {
                return true;
            }
            if (const base_exception_group* nested = as_group(error)) {
                open.push_back(&group_state::of(*nested));
            }
        }
    }
    return false;
}

std::vector<std::exception_ptr> base_exception_group::leaves() const {
    struct level {
        const group_state* group;
        std::size_t next;
    };
    std::vector<std::exception_ptr> found;
    found.reserve(state_->leaf_count);
    std::vector<level> open{{state_.get(), 0}};
    while (!open.empty()) {
        level& here = open.back();
        if (here.next == here.group->exceptions.size()) {
            open.pop_back();
            continue;
        }
        const std::exception_ptr& error = here.group->exceptions[here.next++];
        if (const base_exception_group* nested = as_group(error)) {
            open.push_back({&group_state::of(*nested), 0});
        } else {
            found.push_back(error);
        }
    }
    return found;
}

std::exception_ptr base_exception_group::derive(std::vector<std::exception_ptr> exceptions) const {
    return state_->derive(std::move(exceptions));
}

exception_group::exception_group(std::shared_ptr<const group_state> state) noexcept
    : base_exception_group(std::move(state)) {}

exception_group::~exception_group() = default;

const char* exception_group::what() const noexcept { return base_exception_group::what(); }

std::exception_ptr make_exception_group(std::string message, std::vector<std::exception_ptr> exceptions, bool loose) {
    if (exceptions.empty()) {
        throw std::invalid_argument("make_exception_group: there are no exceptions; make a group only when there are");
    }
    for (const std::exception_ptr& error : exceptions) {
        if (!error) {
            throw std::invalid_argument(
                "make_exception_group: one of the exceptions is a null pointer; leave out what did not fail");
        }
    }
    auto state = std::make_unique<const group_state>(std::move(message), std::move(exceptions), loose);
    return group_state::group_of(std::shared_ptr<const group_state>(state.release(), kernel::bury));
}

strip_result strip_cancelled(std::exception_ptr error) {
    if (is_cancelled(error)) {
        return {nullptr, 1};
    }
    const base_exception_group* const whole = error ? as_group(error) : nullptr;
    if (whole == nullptr || group_state::of(*whole).cancelled_count == 0) {
        return {std::move(error), 0};
    }
    const std::size_t removed = group_state::of(*whole).cancelled_count;
    if (removed == group_state::of(*whole).leaf_count) {
        return {nullptr, removed};
    }

    // Only branches that lose a leaf or collapse are entered, so that each is replaced: by a smaller group or by its
    // only child.
    struct level {
        const group_state* group;
        std::size_t next;
        std::vector<std::exception_ptr> kept;

        std::exception_ptr remainder() {
            return group->loose && kept.size() == 1 ? std::move(kept.front()) : group->derive(std::move(kept));
        }
    };
    std::vector<level> open;
    open.push_back({&group_state::of(*whole), 0, {}});
    for (;;) {
        level& here = open.back();
        if (here.next == here.group->exceptions.size()) {
            std::exception_ptr done = here.remainder();
            open.pop_back();
            if (open.empty()) {
                return {std::move(done), removed};
            }
            open.back().kept.push_back(std::move(done));
            continue;
        }
        const std::exception_ptr& child = here.group->exceptions[here.next++];
        if (is_cancelled(child)) {
            continue;
        }
        const base_exception_group* const nested = as_group(child);
        const group_state* const below = nested != nullptr ? &group_state::of(*nested) : nullptr;
        if (below != nullptr && below->cancelled_count == below->leaf_count) {
            continue;
        }
        if (below != nullptr && (below->cancelled_count > 0 || below->collapsible)) {
            open.push_back({below, 0, {}});
        } else {
            here.kept.push_back(child);
        }
    }
}

}  // namespace tombolo
