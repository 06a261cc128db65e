#pragma once

#include <tombolo/fibers/count.hpp>
#include <tombolo/fibers/receiver.hpp>
#include <tombolo/fibers/sender.hpp>

#include <concepts>
#include <memory>
#include <type_traits>

namespace tombolo {

/// Opens a channel: a queue between tasks, with back-pressure. `auto [tx, rx] = open_channel<std::string>(8);`
///
/// `capacity` values fit into its buffer; a sender waits while it is full. 0 is a rendezvous: each send waits until its value
/// is received. `unbounded` never makes a sender wait, and lets memory grow if the receivers are slower.
///
/// T is any type that can be moved, also one that only moves, has no default constructor, or may throw while it is moved.
///
/// Checkpoint: never. Throws: invalid_count when `capacity` is negative.
/// Source: trio.open_memory_channel.
template <class T>
[[nodiscard]] channel_ends<T> open_channel(integer auto capacity) {
    static_assert(
        std::is_object_v<T> && std::same_as<T, std::remove_cv_t<T>>,
        "a channel carries values: give a plain type, or a pointer or std::reference_wrapper to refer to something");
    static_assert(std::move_constructible<T>, "a channel moves its values: give a type that can be moved");
    auto opened = std::make_unique<kernel::value_channel<T>>(to_count(capacity, "open_channel: the capacity"));
    sender<T> tx(opened->add_end(true));
    kernel::value_channel<T>* const channel = opened.release();  // from here on the handles keep it
    return {std::move(tx), receiver<T>(channel->add_end(false))};
}

}  // namespace tombolo
