#pragma once

#include <tombolo/base/intrusive_list.hpp>
#include <tombolo/fibers/kernel/wait_record.hpp>
#include <tombolo/fibers/park.hpp>

#include <cstddef>
#include <exception>
#include <limits>

namespace tombolo {

/// A capacity without a limit: a channel that never makes its senders wait, a map_concurrently that starts everything.
inline constexpr std::size_t unbounded = std::numeric_limits<std::size_t>::max();

struct channel_statistics {
    std::size_t current_buffer_used = 0;
    std::size_t max_buffer_size = 0;  ///< tombolo::unbounded: no limit
    std::size_t open_senders = 0;
    std::size_t open_receivers = 0;
    std::size_t tasks_waiting_send = 0;
    std::size_t tasks_waiting_receive = 0;
    std::size_t peak_buffer_used = 0;  ///< the most that was ever in the buffer; never reset
};

template <class T>
class sender;
template <class T>
class receiver;

/// What open_channel returns: `auto [tx, rx] = open_channel<int>(8);`.
template <class T>
struct channel_ends {
    sender<T> tx;
    receiver<T> rx;
};

namespace kernel {

class channel_state;
struct by_channel;  // a waiter among those who wait for its channel

/// One sender or receiver: what its handle points to. The handle may move while a task waits; this stays where it is.
struct channel_end {
    channel_state& channel;
    bool sends;
    bool open = true;
    std::size_t waiting = 0;  ///< tasks that wait through this end
};

/// How a wait for a channel ended.
enum class channel_verdict : unsigned char { none, done, closed, broken, ended };

/// A task that waits for a channel: lives in the frame of its wait. Once the wait has ended it looks at nothing else: the
/// channel may be gone by then.
struct channel_waiter : list_hook<by_channel> {
    channel_waiter(channel_end& end, void* of, const char* where) noexcept
        : through(end), value(of), wait{where, &withdraw, this, nullptr, &type_tag<void>} {}
    [[gnu::always_inline]] ~channel_waiter() = default;

    static lowlevel::abort withdraw(void* waiter, const lowlevel::raise_cancel& raise);

    channel_end& through;
    void* value;  ///< a sender's T; a receiver's parcel, empty until it is done; null for who only waits for a receiver
    channel_verdict verdict = channel_verdict::none;
    wait_record wait;
};

/// A channel without its values: who holds it open and who waits for it. Plumbing: public because sender and receiver are
/// templates.
///
/// Invariants:
/// 1. A receiver waits => the buffer is empty, no sender waits, and a sender is open.
/// 2. A sender waits => the buffer is full, and a receiver is open.
/// 3. A waiter is linked here <=> its verdict is still none; it is counted in its end, which is open.
/// 4. No receiver is open => the buffer is empty.
/// 5. holders_ is the number of channel_ends, open or not, and of kept_channels; the last one to go deletes this.
class channel_state {
public:
    using waiters = intrusive_list<channel_waiter, by_channel>;

    explicit channel_state(std::size_t capacity) noexcept : capacity_(capacity) {}
    channel_state(const channel_state&) = delete;
    channel_state& operator=(const channel_state&) = delete;
    virtual ~channel_state();

    /// The end that a handle points to, fit for use.
    /// Throws: closed_resource when the handle was closed or moved from; wrong_thread.
    static channel_end& require_open(channel_end* end, const char* what) {
        if (!is_usable(end)) [[unlikely]]
            refuse(end, what);
        return *end;
    }

    static bool is_usable(const channel_end* end) noexcept {
        return end != nullptr && end->open && end->channel.thread_ == __builtin_thread_pointer();
    }

    /// A further handle. Throws: std::bad_alloc.
    channel_end* add_end(bool sends);
    /// A handle's last word. Closes the end if it is open.
    static void remove_end(channel_end* end) noexcept;
    /// Throws: wrong_thread; nothing has changed then.
    void close(channel_end& end, const char* what);

    /// Waits in `queue` until somebody else ends it; throws unless it ends with `done` or `ended`.
    [[gnu::always_inline]] static void wait(waiters& queue, channel_waiter& self) {
        queue.push_back(self);
        ++self.through.waiting;
        try {
            park(self.wait);
        } catch (...) {
            forget(self);
            throw;
        }
        if (self.verdict != channel_verdict::done) [[unlikely]]
            tell_verdict(self);
    }

    /// Ends a wait; the task runs later. Throws: wrong_thread; nothing has changed then.
    static void end_wait(channel_waiter& waiter, channel_verdict verdict, const char* what) {
        wake(waiter.wait, what);
        waiter.unlink();
        --waiter.through.waiting;
        waiter.verdict = verdict;
    }

    /// Ends a send by an error. Requires: the task belongs to this thread's run.
    static void fail_wait(channel_waiter& waiter, std::exception_ptr error);

    /// Wakes everybody in wait_for_receiver: somebody is about to wait in a receive.
    void tell_receiver_waits(const char* what) {
        if (!demand_.empty()) [[unlikely]]
            end_waits(demand_, nullptr, channel_verdict::done, what);
    }

    [[noreturn]] static void throw_broken(const char* what);
    [[noreturn]] static void throw_ended(const char* what);

    /// All zero for null.
    static channel_statistics statistics(const channel_end* end) noexcept;

protected:
    virtual std::size_t buffered() const noexcept = 0;
    /// Destroys the values. They are out of the buffer by then: a destructor may use the channel.
    virtual void drop_values() noexcept = 0;

    void note_peak(std::size_t buffered_now) noexcept {
        if (buffered_now > peak_) peak_ = buffered_now;
    }

    waiters senders_;    ///< with a value each
    waiters receivers_;  ///< with an empty parcel each
    waiters demand_;     ///< in wait_for_receiver
    std::size_t open_senders_ = 0;
    std::size_t open_receivers_ = 0;
    std::size_t capacity_;

private:
    friend class kept_channel;
    friend struct channel_waiter;
    void release() noexcept;
    void end_waits_through(channel_end& end, const char* what);
    static void forget(channel_waiter& self) noexcept;
    static void tell_verdict(channel_waiter& self);
    [[noreturn]] static void refuse(const channel_end* end, const char* what);
    static void end_waits(waiters& queue, const channel_end* through, channel_verdict verdict, const char* what);

    std::size_t peak_ = 0;
    std::size_t holders_ = 0;
    const void* thread_ = __builtin_thread_pointer();
};

/// Keeps a channel alive while its handles may go.
class kept_channel {
public:
    explicit kept_channel(const channel_end* end) noexcept;
    kept_channel(const kept_channel&) = delete;
    kept_channel& operator=(const kept_channel&) = delete;
    ~kept_channel();

    /// Null when there was no end to begin with.
    channel_state* channel() const noexcept { return channel_; }

private:
    channel_state* channel_;
};

}  // namespace kernel
}  // namespace tombolo
