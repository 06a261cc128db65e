#pragma once

#include <tombolo/fibers/channel_buffer.hpp>
#include <tombolo/fibers/channel_state.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/kernel/own_thread.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace tombolo::kernel {

/// A channel with its values. Each value is moved once on its way between two tasks' frames, or twice if it rests in the
/// buffer; whether it goes is decided before it moves.
template <class T>
class value_channel final : public channel_state {
public:
    using buffer = channel_buffer<T>;
    using parcel = typename buffer::parcel;

    using channel_state::channel_state;

    static value_channel& of(channel_end& end) noexcept { return static_cast<value_channel&>(end.channel); }

    /// Always a checkpoint, as are receive and wait_for_receiver.
    [[gnu::always_inline]] static void send(channel_end* end, T& value, const char* what) {
        const bool usable = is_usable(end);
        if (!usable || !of(*end).send_must_wait()) {
            if (checkpoint_if_cancelled(what) || !usable) require_open(end, what);
            if (of(*end).accept(value, what)) return cancel_shielded_checkpoint(what);
        }
        value_channel& self = of(*end);
        channel_waiter here(*end, const_cast<void*>(static_cast<const void*>(std::addressof(value))), what);
        wait(self.senders_, here);
    }

    /// False when the value has to wait; it has not been touched then.
    bool accept(T& value, const char* what) {
        if (!receivers_.empty()) {
            hand_over(receivers_.front(), value, what);
            return true;
        }
        if (open_receivers_ == 0) [[unlikely]]
            throw_broken(what);
        if (values_.size() >= capacity_) return false;
        values_.push_back(value);
        note_peak(values_.size());
        return true;
    }

    /// False when the channel has ended.
    [[gnu::always_inline]] static bool receive(channel_end* end, parcel& taken, const char* what) {
        const bool usable = is_usable(end);
        if (!usable || !of(*end).receive_must_wait()) {
            if (checkpoint_if_cancelled(what) || !usable) require_open(end, what);
            value_channel& self = of(*end);
            if (self.take(taken, what)) {
                cancel_shielded_checkpoint(what);
                return true;
            }
            if (self.open_senders_ == 0) return false;
        }
        value_channel& self = of(*end);
        self.tell_receiver_waits(what);
        channel_waiter here(*end, &taken, what);
        wait(self.receivers_, here);
        return here.verdict == channel_verdict::done;
    }

    /// False when there is nothing, for now or for ever.
    bool take(parcel& taken, const char* what) {
        if (senders_.empty()) {
            if (values_.empty()) return false;
            values_.pop_front_into(taken);
        } else if (values_.empty()) {
            take_over(senders_.front(), taken, what);
        } else {
            take_and_refill(taken, what);
        }
        return true;
    }

    bool has_ended() const noexcept { return open_senders_ == 0; }

    [[gnu::always_inline]] static void wait_for_receiver(channel_end* end, const char* what) {
        checkpoint_if_cancelled(what);
        value_channel& self = of(require_open(end, what));
        if (self.open_receivers_ == 0) throw_broken(what);
        if (!self.receivers_.empty()) return cancel_shielded_checkpoint(what);
        channel_waiter here(*end, nullptr, what);
        wait(self.demand_, here);
    }

    /// For a value that could not be moved out of its parcel: it becomes the first one again.
    void give_back(parcel& returned, const char* what)
        requires may_fail_to_move<T>
    {
        if (open_receivers_ == 0) return;
        if (receivers_.empty()) return values_.push_front(returned);
        channel_waiter& first = receivers_.front();
        end_wait(first, channel_verdict::done, what);
        static_cast<parcel*>(first.value)->swap(returned);
    }

private:
    bool send_must_wait() const noexcept {
        return receivers_.empty() && values_.size() >= capacity_ && open_receivers_ != 0;
    }

    bool receive_must_wait() const noexcept { return values_.empty() && senders_.empty() && open_senders_ != 0; }

    // What can throw comes first. Moving either cannot throw, and then it comes last, or it comes between two checks that
    // everything else will go well.

    static void hand_over(channel_waiter& receiver, T& value, const char* what) {
        parcel& destination = *static_cast<parcel*>(receiver.value);
        if constexpr (may_fail_to_move<T>) {
            require_own_thread(*receiver.wait.waiter, what);
            buffer::pack(destination, value);
            end_wait(receiver, channel_verdict::done, what);
        } else {
            end_wait(receiver, channel_verdict::done, what);
            buffer::pack(destination, value);
        }
    }

    static void take_over(channel_waiter& sender, parcel& taken, const char* what) {
        T& value = *static_cast<T*>(sender.value);
        if constexpr (may_fail_to_move<T>) {
            require_own_thread(*sender.wait.waiter, what);
            buffer::pack(taken, value);
            end_wait(sender, channel_verdict::done, what);
        } else {
            end_wait(sender, channel_verdict::done, what);
            buffer::pack(taken, value);
        }
    }

    /// The place that is free now goes to the sender that waits longest. A sender whose value cannot be moved gets that error.
    void take_and_refill(parcel& taken, const char* what) {
        channel_waiter* sender = &senders_.front();
        if constexpr (may_fail_to_move<T>) {
            require_own_thread(*sender->wait.waiter, what);
            values_.pop_front_into(taken);
            while (values_.size() < capacity_ && !senders_.empty()) {
                sender = &senders_.front();
                try {
                    values_.push_back(*static_cast<T*>(sender->value));
                } catch (...) {
                    fail_wait(*sender, std::current_exception());
                    continue;
                }
                end_wait(*sender, channel_verdict::done, what);
            }
        } else {
            end_wait(*sender, channel_verdict::done, what);
            values_.pop_front_into(taken);
            values_.push_back(*static_cast<T*>(sender->value));
        }
    }

    std::size_t buffered() const noexcept override { return values_.size(); }

    void drop_values() noexcept override {
        buffer dropped;
        dropped.swap(values_);
    }

    buffer values_;
};

}  // namespace tombolo::kernel
