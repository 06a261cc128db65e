#pragma once

#include <tombolo/fibers/channel_handle.hpp>
#include <tombolo/fibers/count.hpp>
#include <tombolo/fibers/value_channel.hpp>

#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>

namespace tombolo {

/// The end of a channel that values come out of: a movable handle that closes itself when it is destroyed.
///
/// Each value goes to one receiver. Clones share the work; for the same values everywhere open several channels.
///
/// Lifetime: may be moved or closed while a task waits in it. All handles of a channel belong to the thread that opened it.
/// Source: trio.MemoryReceiveChannel.
template <class T>
class receiver : public kernel::channel_handle {
    using channel = kernel::value_channel<T>;
    using parcel = typename channel::parcel;

public:
    using value_type = T;
    class iterator;

    /// The value that was sent first; waits until there is one. Receivers are served in the order in which they came.
    /// Checkpoint: always. Cancellation: no value is taken; a value that was handed over before the cancel is returned.
    /// Throws: end_of_channel when all senders are closed and nothing is left; closed_resource when this receiver is closed,
    /// before or during the wait; cancelled; wrong_thread; not_in_task and its kin. What moving a T throws; the value is the
    /// first in the buffer then, even if the buffer is full.
    /// Source: MemoryReceiveChannel.receive.
    [[gnu::always_inline]] T receive() {
        parcel taken;
        if constexpr (kernel::may_fail_to_move<T>) {
            const kernel::kept_channel keep(end_);
            receive_into(taken);
            return give_out(*keep.channel(), taken, [](T& value) { return T(std::move(value)); });
        } else {
            receive_into(taken);
            return std::move(*taken);
        }
    }

    /// receive, if it need not wait: empty when there is nothing for now.
    /// Checkpoint: never. Throws: end_of_channel when all senders are closed and nothing is left; closed_resource;
    /// wrong_thread; what moving a T throws, as receive.
    /// Source: MemoryReceiveChannel.receive_nowait, which throws WouldBlock.
    std::optional<T> try_receive() {
        constexpr const char* what = "receiver::try_receive";
        channel& from = channel::of(channel::require_open(end_, what));
        parcel taken;
        if (!from.take(taken, what)) {
            if (from.has_ended()) channel::throw_ended(what);
            return std::nullopt;
        }
        if constexpr (kernel::may_fail_to_move<T>)
            return give_out(from, taken, [](T& value) { return std::optional<T>(std::in_place, std::move(value)); });
        else
            return taken;
    }

    /// All values to come, for `for (auto& item : rx)`: each step is a receive, and the loop ends with the channel. The value
    /// is the loop's own, to be moved from at will. Several tasks may iterate over one receiver.
    /// Checkpoint: always. Cancellation: as receive. Throws: as receive, but never end_of_channel.
    iterator begin() { return iterator(*this); }
    static std::default_sentinel_t end() noexcept { return {}; }

    /// A further receiver for the same channel, which is closed on its own.
    /// Checkpoint: never. Throws: closed_resource; wrong_thread. Source: MemoryReceiveChannel.clone.
    receiver clone() const {
        return receiver(kernel::channel_state::require_open(end_, "receiver::clone").channel.add_end(false));
    }

    /// Tasks that wait through this handle get closed_resource; if no receiver is left open, those that wait in a send get
    /// broken_resource, and what is in the buffer is destroyed. Closing twice does nothing. The destructor closes, too.
    /// Checkpoint: never. Throws: wrong_thread. Source: MemoryReceiveChannel.close.
    void close() {
        if (end_ != nullptr) end_->channel.close(*end_, "receiver::close");
    }

    bool is_open() const noexcept { return end_ != nullptr && end_->open; }

    /// All zero for a handle that was moved from.
    channel_statistics statistics() const noexcept { return kernel::channel_state::statistics(end_); }

private:
    template <class U>
    friend channel_ends<U> open_channel(integer auto capacity);
    using kernel::channel_handle::channel_handle;

    [[gnu::always_inline]] void receive_into(parcel& taken) {
        constexpr const char* what = "receiver::receive";
        if (!channel::receive(end_, taken, what)) [[unlikely]]
            channel::throw_ended(what);
    }

    /// What `move_out` makes of the value; when it throws the channel has the value again.
    template <class MoveOut>
    static auto give_out(kernel::channel_state& from, parcel& taken, MoveOut move_out) {
        try {
            return move_out(channel::buffer::unpack(taken));
        } catch (...) {
            static_cast<channel&>(from).give_back(taken, "receiver::receive");
            throw;
        }
    }
};

/// Where a loop over a receiver stands: an input iterator that holds the value.
template <class T>
class receiver<T>::iterator {
public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    explicit iterator(receiver& from) : from_(&from) { ++*this; }
    iterator(iterator&&) = default;
    iterator& operator=(iterator&& other) noexcept {
        value_.swap(other.value_);
        std::swap(from_, other.from_);
        return *this;
    }

    T& operator*() const noexcept { return channel::buffer::unpack(value_); }
    iterator& operator++() {
        channel::buffer::clear(value_);
        channel::receive(from_->end_, value_, "receiver::iterator");
        return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const noexcept { return channel::buffer::is_empty(value_); }

private:
    receiver* from_;
    mutable parcel value_;
};

}  // namespace tombolo
