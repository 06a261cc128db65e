#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace tombolo::kernel {

/// The values of a channel, first in first out, for types whose move never throws: a ring that grows by doubling and
/// never allocates per value. A `parcel` carries one value from task to task.
///
/// Invariant: the count_ values begin at slots_[first_] and wrap around; allocated_ is a power of two, or 0.
template <class T>
class value_ring {
public:
    using parcel = std::optional<T>;

    value_ring() noexcept = default;
    value_ring(const value_ring&) = delete;
    value_ring& operator=(const value_ring&) = delete;
    ~value_ring() {
        for (; count_ != 0; --count_) std::destroy_at(slots_ + first_), first_ = place(1);
        if (slots_ != nullptr) std::allocator<T>{}.deallocate(slots_, allocated_);
    }

    void swap(value_ring& other) noexcept {
        std::swap(slots_, other.slots_);
        std::swap(allocated_, other.allocated_);
        std::swap(first_, other.first_);
        std::swap(count_, other.count_);
    }

    bool empty() const noexcept { return count_ == 0; }
    std::size_t size() const noexcept { return count_; }

    /// Throws: std::bad_alloc, never when there was a pop since the last push.
    void push_back(T& value) {
        if (count_ == allocated_) [[unlikely]]
            grow();
        std::construct_at(slots_ + place(count_), std::move(value));
        ++count_;
    }

    void pop_front_into(parcel& taken) noexcept {
        T& front = slots_[first_];
        taken.emplace(std::move(front));
        std::destroy_at(&front);
        first_ = place(1);
        --count_;
    }

    static void pack(parcel& packed, T& value) noexcept { packed.emplace(std::move(value)); }
    static T& unpack(parcel& packed) noexcept { return *packed; }
    static bool is_empty(const parcel& packed) noexcept { return !packed.has_value(); }
    static void clear(parcel& packed) noexcept { packed.reset(); }

private:
    std::size_t place(std::size_t nth) const noexcept { return (first_ + nth) & (allocated_ - 1); }

    [[gnu::noinline]] void grow() {
        const std::size_t wanted = allocated_ == 0 ? 8 : 2 * allocated_;
        T* const added = std::allocator<T>{}.allocate(wanted);
        for (std::size_t i = 0; i < count_; ++i) {
            T& moved = slots_[place(i)];
            std::construct_at(added + i, std::move(moved));
            std::destroy_at(&moved);
        }
        if (slots_ != nullptr) std::allocator<T>{}.deallocate(slots_, allocated_);
        slots_ = added;
        allocated_ = wanted;
        first_ = 0;
    }

    T* slots_ = nullptr;
    std::size_t allocated_ = 0;
    std::size_t first_ = 0;
    std::size_t count_ = 0;
};

/// The same for types whose move may throw. Each value sits in a list node: what throws is the way into the node, at the
/// sender, and the way out of it, at the receiver, who can then put the node back.
template <class T>
class value_list {
public:
    using parcel = std::list<T>;  ///< of one value, or none

    void swap(value_list& other) noexcept { values_.swap(other.values_); }

    bool empty() const noexcept { return values_.empty(); }
    std::size_t size() const noexcept { return values_.size(); }

    /// Throws: std::bad_alloc, and what moving a T throws. Nothing is in the list then.
    void push_back(T& value) { values_.emplace_back(std::move(value)); }
    void push_front(parcel& returned) noexcept { values_.splice(values_.begin(), returned); }
    void pop_front_into(parcel& taken) noexcept { taken.splice(taken.begin(), values_, values_.begin()); }

    static void pack(parcel& packed, T& value) { packed.emplace_back(std::move(value)); }
    static T& unpack(parcel& packed) noexcept { return packed.front(); }
    static bool is_empty(const parcel& packed) noexcept { return packed.empty(); }
    static void clear(parcel& packed) noexcept { packed.clear(); }

private:
    std::list<T> values_;
};

template <class T>
using channel_buffer = std::conditional_t<std::is_nothrow_move_constructible_v<T>, value_ring<T>, value_list<T>>;

/// Whether a value can be lost on its way out of a parcel, unless the parcel is put back.
template <class T>
inline constexpr bool may_fail_to_move = !std::is_nothrow_move_constructible_v<T>;

}  // namespace tombolo::kernel
