#include <tombolo/testing/memory_stream.hpp>

#include "fibers/testing/exclusive_use.hpp"
#include "fibers/testing/memory_queue.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>

namespace tombolo::testing {

using kernel::memory_queue;

namespace {

void require_some(std::size_t max_bytes, const char* what) {
    if (max_bytes == 0)
        throw invalid_count(std::string(what) + ": at most 0 bytes were asked for; ask for one at least");
}

bool pump(memory_queue& from, memory_queue& to, std::size_t max_bytes) {
    if (!from.is_ready()) return false;
    const std::string carried = from.take(max_bytes);
    if (carried.empty()) {
        to.end();
        return true;
    }
    try {
        to.put(carried, "memory_stream_pump");
    } catch (const closed_resource&) {
        throw broken_stream(0, "memory_stream_pump: the receiving stream was closed");
    }
    return true;
}

}  // namespace

memory_send_stream::memory_send_stream() : outgoing_(std::make_shared<memory_queue>()) {}

memory_send_stream& memory_send_stream::operator=(memory_send_stream&& other) noexcept {
    if (this == &other) return *this;
    close();
    send_all_hook = std::move(other.send_all_hook);
    wait_send_all_might_not_block_hook = std::move(other.wait_send_all_might_not_block_hook);
    close_hook = std::move(other.close_hook);
    outgoing_ = std::move(other.outgoing_);
    return *this;
}

void memory_send_stream::send_all(const_bytes bytes) {
    const exclusive_use mine(in_use_, "memory_send_stream::send_all");
    checkpoint();
    checkpoint();
    if (outgoing_ == nullptr) throw closed_resource("memory_send_stream::send_all: the stream was moved from");
    outgoing_->put(bytes, "memory_send_stream::send_all");
    if (send_all_hook) send_all_hook();
}

void memory_send_stream::wait_send_all_might_not_block() {
    const exclusive_use mine(in_use_, "memory_send_stream::wait_send_all_might_not_block");
    checkpoint();
    checkpoint();
    if (outgoing_ == nullptr)
        throw closed_resource("memory_send_stream::wait_send_all_might_not_block: the stream was moved from");
    outgoing_->put({}, "memory_send_stream::wait_send_all_might_not_block");
    if (wait_send_all_might_not_block_hook) wait_send_all_might_not_block_hook();
}

void memory_send_stream::aclose() {
    close();
    checkpoint();
}

void memory_send_stream::close() noexcept {
    if (outgoing_ == nullptr) return;
    outgoing_->end();
    if (close_hook) close_hook();
}

std::string memory_send_stream::get_data(std::size_t max_bytes) {
    require_some(max_bytes, "memory_send_stream::get_data");
    const std::shared_ptr<memory_queue> queue = outgoing_;
    if (queue == nullptr) throw closed_resource("memory_send_stream::get_data: the stream was moved from");
    const exclusive_use mine(queue->in_use, "memory_send_stream::get_data");
    queue->wait_until_ready("memory_send_stream::get_data");
    return queue->take(max_bytes);
}

std::optional<std::string> memory_send_stream::try_get_data(std::size_t max_bytes) {
    require_some(max_bytes, "memory_send_stream::try_get_data");
    if (outgoing_ == nullptr) throw closed_resource("memory_send_stream::try_get_data: the stream was moved from");
    const exclusive_use mine(outgoing_->in_use, "memory_send_stream::try_get_data");
    if (!outgoing_->is_ready()) return std::nullopt;
    return outgoing_->take(max_bytes);
}

memory_receive_stream::memory_receive_stream() : incoming_(std::make_shared<memory_queue>()) {}

memory_receive_stream& memory_receive_stream::operator=(memory_receive_stream&& other) noexcept {
    if (this == &other) return *this;
    close();
    receive_some_hook = std::move(other.receive_some_hook);
    close_hook = std::move(other.close_hook);
    incoming_ = std::move(other.incoming_);
    return *this;
}

void memory_receive_stream::require_open() const {
    if (incoming_ == nullptr || incoming_->is_abandoned())
        throw closed_resource("memory_receive_stream::receive_some: the stream was closed");
}

std::size_t memory_receive_stream::receive_some(mutable_bytes buffer) {
    if (buffer.empty())
        throw invalid_count("memory_receive_stream::receive_some: the buffer is empty; give room for a byte at least");
    const exclusive_use mine(in_use_, "memory_receive_stream::receive_some");
    checkpoint();
    require_open();
    if (receive_some_hook) receive_some_hook();
    require_open();
    incoming_->wait_until_ready("memory_receive_stream::receive_some");
    require_open();
    return incoming_->take(buffer);
}

void memory_receive_stream::aclose() {
    close();
    checkpoint();
}

void memory_receive_stream::close() noexcept {
    if (incoming_ == nullptr) return;
    incoming_->abandon();
    if (close_hook) close_hook();
}

void memory_receive_stream::put_data(const_bytes bytes) {
    if (incoming_ == nullptr) throw closed_resource("memory_receive_stream::put_data: the stream was moved from");
    incoming_->put(bytes, "memory_receive_stream::put_data");
}

void memory_receive_stream::put_eof() noexcept {
    if (incoming_ != nullptr) incoming_->end();
}

bool memory_stream_pump(memory_send_stream& from, memory_receive_stream& to, std::size_t max_bytes) {
    require_some(max_bytes, "memory_stream_pump");
    if (from.outgoing_ == nullptr || to.incoming_ == nullptr)
        throw closed_resource("memory_stream_pump: a stream was moved from");
    const exclusive_use mine(from.outgoing_->in_use, "memory_stream_pump");
    return pump(*from.outgoing_, *to.incoming_, max_bytes);
}

std::pair<memory_send_stream, memory_receive_stream> memory_stream_one_way_pair() {
    memory_send_stream sender;
    memory_receive_stream receiver;
    // The queues and not the streams, which move.
    sender.send_all_hook = [from = sender.outgoing_, to = receiver.incoming_] {
        if (to->is_abandoned()) throw broken_stream(0, "memory_send_stream::send_all: the receiving stream was closed");
        pump(*from, *to, all_bytes);
    };
    sender.close_hook = [from = sender.outgoing_, to = receiver.incoming_] {
        if (to->is_abandoned()) return;
        try {
            while (from->size() != 0) pump(*from, *to, all_bytes);
        } catch (const broken_stream&) {  // the receiver was given its end already: nobody can get these bytes
            return;
        }
        to->end();
    };
    return {std::move(sender), std::move(receiver)};
}

std::pair<memory_stream, memory_stream> memory_stream_pair() {
    auto [near_sender, far_receiver] = memory_stream_one_way_pair();
    auto [far_sender, near_receiver] = memory_stream_one_way_pair();
    return {
        memory_stream(std::move(near_sender), std::move(near_receiver)),
        memory_stream(std::move(far_sender), std::move(far_receiver))};
}

}  // namespace tombolo::testing
