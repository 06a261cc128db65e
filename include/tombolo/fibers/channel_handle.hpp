#pragma once

#include <tombolo/fibers/channel_state.hpp>

#include <utility>

namespace tombolo::kernel {

/// What sender and receiver have in common: holding one end of a channel.
///
/// Invariant: end_ is null after a move from here; otherwise it is ours alone, open or closed.
class channel_handle {
public:
    channel_handle(channel_handle&& other) noexcept : end_(std::exchange(other.end_, nullptr)) {}
    channel_handle& operator=(channel_handle&& other) noexcept {
        if (this != &other) drop(std::exchange(end_, std::exchange(other.end_, nullptr)));
        return *this;
    }
    ~channel_handle() { drop(std::exchange(end_, nullptr)); }

protected:
    explicit channel_handle(channel_end* end) noexcept : end_(end) {}

    static void drop(channel_end* end) noexcept {
        if (end != nullptr) channel_state::remove_end(end);
    }

    channel_end* end_;
};

}  // namespace tombolo::kernel
