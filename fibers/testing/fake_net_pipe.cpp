#include "fibers/testing/fake_net_pipe.hpp"

#include "fibers/testing/fake_net_stream.hpp"

#include <tombolo/fibers/run.hpp>

#include <algorithm>
#include <utility>

namespace tombolo::kernel {

fake_pipe::fake_pipe(
    std::shared_ptr<fake_network> network, std::weak_ptr<fake_stream> writer, std::weak_ptr<fake_stream> reader)
    : network_(std::move(network)),
      writer_(std::move(writer)),
      reader_(std::move(reader)),
      from_(writer_.lock()->host()),
      to_(reader_.lock()->host()) {}

std::size_t fake_pipe::room() const noexcept {
    const std::size_t used = flying_size_ + arrived_.size() - taken_;
    return used < network_->options.stream_buffer ? network_->options.stream_buffer - used : 0;
}

void fake_pipe::send(std::string bytes) {
    if (bytes.empty()) return;
    const std::size_t size = bytes.size();
    flying_size_ += size;
    flying_.push_back(std::move(bytes));
    post_arrival(size);
}

void fake_pipe::end() {
    if (std::exchange(end_sent_, true)) return;
    flying_.emplace_back();
    post_arrival(0);
}

void fake_pipe::post_arrival(std::size_t size) {
    if (!in_run()) return;
    last_arrival_ = std::max(last_arrival_, network_->path(from_, to_).arrival_for_certain(size));
    network_->wire.post(last_arrival_, [self = shared_from_this()] { self->arrive(); });
}

void fake_pipe::arrive() {
    if (flying_.empty()) return;
    if (network_->path(from_, to_).is_cut) {
        ++held_back_;
        return;
    }
    const std::string piece = std::move(flying_.front());
    flying_.pop_front();
    flying_size_ -= piece.size();
    const auto reader = reader_.lock();
    if (reader == nullptr || reader->is_closed()) {
        if (!piece.empty()) send_reset(*network_, to_, from_, writer_);
        return;
    }
    if (piece.empty())
        ended_ = true;
    else
        arrived_ += piece;
    reader->wake_reader();
}

std::size_t fake_pipe::take(std::span<const mutable_bytes> buffers, bool peek) {
    const std::size_t count = scatter(const_bytes(arrived_).from(taken_), buffers);
    if (peek) return count;
    taken_ += count;
    if (taken_ > arrived_.size() / 2) {
        arrived_.erase(0, taken_);
        taken_ = 0;
    }
    if (const auto writer = writer_.lock()) writer->wake_writer();
    return count;
}

void fake_pipe::release_held_back() {
    if (network_->path(from_, to_).is_cut) return;
    for (; held_back_ != 0; --held_back_) post_arrival(0);
}

}  // namespace tombolo::kernel
