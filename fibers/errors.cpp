#include <tombolo/fibers/errors.hpp>

#include <new>

namespace tombolo {

std::string_view to_string(cancel_source source) noexcept {
    switch (source) {
    case cancel_source::deadline:
        return "deadline";
    case cancel_source::explicit_call:
        return "explicit call";
    case cancel_source::nursery:
        return "nursery";
    case cancel_source::shutdown:
        return "shutdown";
    case cancel_source::keyboard_interrupt:
        return "keyboard interrupt";
    case cancel_source::unknown:
        break;
    }
    return "unknown";
}

cancelled::~cancelled() { delete text_.load(std::memory_order_acquire); }

// The object may be shared between threads through an exception_ptr, so whoever comes second drops its own text.
const char* cancelled::what() const noexcept {
    if (const std::string* ready = text_.load(std::memory_order_acquire)) {
        return ready->c_str();
    }
    try {
        auto text = std::make_unique<std::string>("cancelled: ");
        text->append(to_string(source()));
        if (!reason().empty()) {
            text->append(": ").append(reason());
        }
        if (!source_task().empty()) {
            text->append(" (by task \"").append(source_task()).append("\")");
        }
        const std::string* expected = nullptr;
        if (text_.compare_exchange_strong(expected, text.get(), std::memory_order_acq_rel)) {
            return text.release()->c_str();
        }
        return expected->c_str();
    } catch (const std::bad_alloc&) {
        return "cancelled";
    }
}

keyboard_interrupt::~keyboard_interrupt() = default;

const char* keyboard_interrupt::what() const noexcept { return "keyboard interrupt"; }

}  // namespace tombolo
