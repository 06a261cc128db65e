#pragma once

#include <tombolo/fibers/channel_handle.hpp>
#include <tombolo/fibers/count.hpp>
#include <tombolo/fibers/value_channel.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace tombolo {

/// The end of a channel that values go in: a movable handle that closes itself when it is destroyed.
///
/// Why: the channel ends, for its receivers, when the last sender is closed. So give each producing task a clone of its own,
/// and let it go when the task ends.
///
/// Lifetime: may be moved or closed while a task waits in it. All handles of a channel belong to the thread that opened it.
/// Requires: moving a T does not use the channel (destroying one may).
/// Source: trio.MemorySendChannel.
template <class T>
class sender : public kernel::channel_handle {
    using channel = kernel::value_channel<T>;

public:
    using value_type = T;

    /// Gives `value` to the receiver that waits longest, else puts it into the buffer, else waits until one of the two can be
    /// done. Senders are served in the order in which they came.
    /// Checkpoint: always. Cancellation: the value is not sent; a value that was taken before the cancel stays sent.
    /// Throws: closed_resource when this sender is closed, before or during the wait; broken_resource when no receiver is
    /// open; cancelled; wrong_thread; not_in_task and its kin; what moving a T throws. After an error `value` is as it was.
    /// Source: MemorySendChannel.send.
    [[gnu::always_inline]] void send(T&& value) { channel::send(end_, value, "sender::send"); }
    [[gnu::always_inline]] void send(const T& value)
        requires std::copy_constructible<T>
    {
        T copy(value);
        channel::send(end_, copy, "sender::send");
    }

    /// send, if it need not wait. False when it would have to; `value` is as it was then.
    /// Checkpoint: never. Throws: closed_resource; broken_resource when no receiver is open; wrong_thread; what moving a T
    /// throws. Source: MemorySendChannel.send_nowait, which throws WouldBlock.
    bool try_send(T&& value) { return try_to_send(value); }
    bool try_send(const T& value)
        requires std::copy_constructible<T>
    {
        T copy(value);
        return try_to_send(copy);
    }

    /// Waits until a task waits in a receive: for senders that make a value only when somebody wants it. That task may have
    /// given up by the time this one runs.
    /// Checkpoint: always. Throws: closed_resource when this sender is closed, before or during the wait; broken_resource when
    /// no receiver is open; cancelled; wrong_thread; not_in_task and its kin.
    void wait_for_receiver() { channel::wait_for_receiver(end_, "sender::wait_for_receiver"); }

    /// A further sender for the same channel, which is closed on its own.
    /// Checkpoint: never. Throws: closed_resource; wrong_thread. Source: MemorySendChannel.clone.
    sender clone() const {
        return sender(kernel::channel_state::require_open(end_, "sender::clone").channel.add_end(true));
    }

    /// Tasks that wait through this handle get closed_resource; if no sender is left open, those that wait in a receive get
    /// end_of_channel. Closing twice does nothing. The destructor closes, too.
    /// Checkpoint: never. Throws: wrong_thread. Source: MemorySendChannel.close.
    void close() {
        if (end_ != nullptr) end_->channel.close(*end_, "sender::close");
    }

    bool is_open() const noexcept { return end_ != nullptr && end_->open; }

    /// All zero for a handle that was moved from.
    channel_statistics statistics() const noexcept { return kernel::channel_state::statistics(end_); }

private:
    template <class U>
    friend channel_ends<U> open_channel(integer auto capacity);
    using kernel::channel_handle::channel_handle;

    bool try_to_send(T& value) {
        constexpr const char* what = "sender::try_send";
        return channel::of(channel::require_open(end_, what)).accept(value, what);
    }
};

}  // namespace tombolo
