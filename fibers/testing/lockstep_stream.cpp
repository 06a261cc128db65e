#include <tombolo/testing/lockstep_stream.hpp>

#include "fibers/testing/exclusive_use.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/parking_lot.hpp>

#include <algorithm>
#include <cstring>
#include <string>

namespace tombolo::kernel {

/// Where a sender and a receiver meet.
class lockstep_queue {
public:
    void send_all(const_bytes bytes) {
        static constexpr auto what = "lockstep_send_stream::send_all";
        const testing::exclusive_use mine(sender_in_use_, what);
        require_sender(what);
        if (receiver_closed_) throw broken_stream(0, std::string(what) + ": the receiver closed");
        offered_ = bytes;
        const scope_exit withdraw([&] { offered_ = {}; });
        something_happened();
        wait_until([&] { return offered_.empty(); }, what);
        require_sender(what);
        if (!offered_.empty() && receiver_closed_) throw broken_stream(0, std::string(what) + ": the receiver closed");
    }

    void wait_for_receiver() {
        static constexpr auto what = "lockstep_send_stream::wait_send_all_might_not_block";
        const testing::exclusive_use mine(sender_in_use_, what);
        require_sender(what);
        wait_until([&] { return receiver_waits_; }, what);
        require_sender(what);
    }

    std::size_t receive_some(mutable_bytes buffer) {
        static constexpr auto what = "lockstep_receive_stream::receive_some";
        if (buffer.empty())
            throw invalid_count(std::string(what) + ": the buffer is empty; give room for a byte at least");
        const testing::exclusive_use mine(receiver_in_use_, what);
        require_receiver(what);
        receiver_waits_ = true;
        const scope_exit no_longer([&] { receiver_waits_ = false; });
        something_happened();
        wait_until([&] { return !offered_.empty(); }, what);
        require_receiver(what);
        const std::size_t count = std::min(buffer.size(), offered_.size());
        if (count == 0) return 0;
        std::memcpy(buffer.data(), offered_.data(), count);
        offered_ = offered_.from(count);
        something_happened();
        return count;
    }

    void close_sender() noexcept {
        sender_closed_ = true;
        something_happened();
    }
    void close_receiver() noexcept {
        receiver_closed_ = true;
        something_happened();
    }

private:
    void require_sender(const char* what) const {
        if (sender_closed_) throw closed_resource(std::string(what) + ": the stream was closed");
    }
    void require_receiver(const char* what) const {
        if (receiver_closed_) throw closed_resource(std::string(what) + ": the stream was closed");
    }
    void something_happened() noexcept {
        while (waiting_.unpark_one() != nullptr) {}
    }

    /// Always ends when one side closes. The state is looked at after the checkpoint, so that nothing is lost when that
    /// throws.
    template <class Condition>
    void wait_until(Condition condition, const char* what) {
        checkpoint();
        while (!condition() && !sender_closed_ && !receiver_closed_) waiting_.park(what);
    }

    const_bytes offered_;  ///< what the sender still has to get rid of
    lowlevel::parking_lot waiting_;
    bool sender_closed_ = false;
    bool receiver_closed_ = false;
    bool receiver_waits_ = false;
    bool sender_in_use_ = false;
    bool receiver_in_use_ = false;
};

}  // namespace tombolo::kernel

namespace tombolo::testing {

namespace {

/// A copy, which outlives the stream when that is destroyed by who wakes up first.
std::shared_ptr<kernel::lockstep_queue> require(
    const std::shared_ptr<kernel::lockstep_queue>& queue, const char* what) {
    if (queue == nullptr) throw closed_resource(std::string(what) + ": the stream was moved from");
    return queue;
}

}  // namespace

lockstep_send_stream& lockstep_send_stream::operator=(lockstep_send_stream&& other) noexcept {
    if (this == &other) return *this;
    close();
    queue_ = std::move(other.queue_);
    return *this;
}

void lockstep_send_stream::send_all(const_bytes bytes) {
    require(queue_, "lockstep_send_stream::send_all")->send_all(bytes);
}

void lockstep_send_stream::wait_send_all_might_not_block() {
    require(queue_, "lockstep_send_stream::wait_send_all_might_not_block")->wait_for_receiver();
}

void lockstep_send_stream::aclose() {
    close();
    checkpoint();
}

void lockstep_send_stream::close() noexcept {
    if (queue_ != nullptr) queue_->close_sender();
}

lockstep_receive_stream& lockstep_receive_stream::operator=(lockstep_receive_stream&& other) noexcept {
    if (this == &other) return *this;
    close();
    queue_ = std::move(other.queue_);
    return *this;
}

std::size_t lockstep_receive_stream::receive_some(mutable_bytes buffer) {
    return require(queue_, "lockstep_receive_stream::receive_some")->receive_some(buffer);
}

void lockstep_receive_stream::aclose() {
    close();
    checkpoint();
}

void lockstep_receive_stream::close() noexcept {
    if (queue_ != nullptr) queue_->close_receiver();
}

std::pair<lockstep_send_stream, lockstep_receive_stream> lockstep_stream_one_way_pair() {
    const auto queue = std::make_shared<kernel::lockstep_queue>();
    return {lockstep_send_stream(queue), lockstep_receive_stream(queue)};
}

std::pair<lockstep_stream, lockstep_stream> lockstep_stream_pair() {
    auto [near_sender, far_receiver] = lockstep_stream_one_way_pair();
    auto [far_sender, near_receiver] = lockstep_stream_one_way_pair();
    return {
        lockstep_stream(std::move(near_sender), std::move(near_receiver)),
        lockstep_stream(std::move(far_sender), std::move(far_receiver))};
}

}  // namespace tombolo::testing
