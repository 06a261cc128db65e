#pragma once

#include <tombolo/fibers/task.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <typeinfo>

namespace tombolo {

/// Which step of a run is under way, written by the run's thread and read by another one, without locks.
///
/// Invariants:
/// 1. turn_ % 4 is the phase: 0 between steps, 1 while the fields are being written, 2 in a step. It only grows.
/// 2. The fields are stored with release and read with acquire, between two reads of turn_: whoever sees a field of a later
///    step sees a later turn, too, and drops what he has read.
class watched_step {
public:
    struct subject {
        std::uint64_t task_id;
        std::string name;
    };

    void begin(const task& stepping) noexcept {
        own_turn_ = after(own_turn_);
        turn_.store(own_turn_ + 1, std::memory_order_relaxed);
        id_.store(stepping.id(), std::memory_order_release);
        const lowlevel::task_label label = stepping.label();
        type_.store(label.type, std::memory_order_release);
        length_.store(std::min(label.given.size(), most_characters), std::memory_order_release);
        for (std::size_t at = 0; at < label.given.size() && at < most_characters; at += word) {
            std::uint64_t characters = 0;
            std::memcpy(&characters, label.given.data() + at, std::min(word, label.given.size() - at));
            name_[at / word].store(characters, std::memory_order_release);
        }
        own_turn_ += 2;
        turn_.store(own_turn_, std::memory_order_release);
    }

    /// Returns the turn that has ended.
    std::uint64_t end() noexcept {
        const std::uint64_t ended = own_turn_;
        own_turn_ = after(own_turn_);
        turn_.store(own_turn_, std::memory_order_release);
        return ended;
    }

    /// Callable from: any thread.
    std::uint64_t turn() const noexcept { return turn_.load(std::memory_order_acquire); }
    static bool in_step(std::uint64_t turn) noexcept { return turn % 4 == 2; }

    /// Who makes the step `turn`; empty when that has ended. Callable from: any thread.
    std::optional<subject> who(std::uint64_t turn) const {
        subject found{id_.load(std::memory_order_acquire), {}};
        const std::type_info* type = type_.load(std::memory_order_acquire);
        const std::size_t length = length_.load(std::memory_order_acquire);
        std::array<char, most_characters> characters{};
        for (std::size_t at = 0; at < length; at += word) {
            const std::uint64_t some = name_[at / word].load(std::memory_order_acquire);
            std::memcpy(characters.data() + at, &some, word);
        }
        if (turn_.load(std::memory_order_relaxed) != turn) return std::nullopt;
        found.name = lowlevel::task_label{std::string_view(characters.data(), length), type}.to_string();
        return found;
    }

private:
    /// The phase between two steps that comes at or after `turn`.
    static std::uint64_t after(std::uint64_t turn) noexcept { return (turn + 3) & ~std::uint64_t{3}; }

    static constexpr std::size_t word = sizeof(std::uint64_t);
    static constexpr std::size_t most_characters = 6 * word;

    std::uint64_t own_turn_ = 0;  ///< turn_, for the run's thread
    std::atomic<std::uint64_t> turn_{0};
    std::atomic<std::uint64_t> id_{0};
    std::atomic<const std::type_info*> type_{nullptr};
    std::atomic<std::size_t> length_{0};
    std::array<std::atomic<std::uint64_t>, most_characters / word> name_{};
};

}  // namespace tombolo
