#pragma once

#include "fibers/testing/fake_net_hosts.hpp"

#include <tombolo/base/bytes.hpp>

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <string>

namespace tombolo::kernel {

class fake_stream;

/// One direction of a fake connection: the bytes that fly, in pieces, and those that have arrived.
class fake_pipe : public std::enable_shared_from_this<fake_pipe> {
public:
    fake_pipe(
        std::shared_ptr<fake_network> network, std::weak_ptr<fake_stream> writer, std::weak_ptr<fake_stream> reader);

    // For the writer.
    std::size_t room() const noexcept;
    void send(std::string bytes);
    /// The reader finds the end behind what was sent. Again: does nothing.
    void end();

    // For the reader.
    bool has_arrived() const noexcept { return taken_ != arrived_.size(); }
    bool has_ended() const noexcept { return ended_; }
    std::size_t take(std::span<const mutable_bytes> buffers, bool peek);

    /// A partition is over.
    void release_held_back();

private:
    void post_arrival(std::size_t size);
    void arrive();

    std::shared_ptr<fake_network> network_;
    std::weak_ptr<fake_stream> writer_;
    std::weak_ptr<fake_stream> reader_;
    fake_host& from_;
    fake_host& to_;
    std::deque<std::string> flying_;  ///< an empty piece is the end
    std::size_t flying_size_ = 0;
    std::string arrived_;
    std::size_t taken_ = 0;      ///< how many at the beginning of arrived_ the reader has had
    std::size_t held_back_ = 0;  ///< arrivals that a partition has kept from happening
    time_point last_arrival_ = time_point::min();
    bool end_sent_ = false;
    bool ended_ = false;
};

}  // namespace tombolo::kernel
