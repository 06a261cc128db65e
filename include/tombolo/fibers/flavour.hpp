#pragma once

#include <string_view>

namespace tombolo {

/// Which kind of code runs now: outside any task, in a fiber-flavoured task, or in the loop flavour.
enum class flavour : unsigned char { none, fiber, loop };

/// The flavour of the code that calls this.
/// Checkpoint: never. Callable from: any thread. Source: sniffio.current_async_library.
flavour current_flavour() noexcept;

std::string_view to_string(flavour) noexcept;

}  // namespace tombolo
