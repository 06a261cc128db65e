#pragma once

#include <tombolo/fibers/instrument.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tombolo::kernel {

/// The instruments of a run, and which hooks any of them overrides. Calling hooks is the business of hooks.cpp; here is
/// only the list.
///
/// Invariants:
/// 1. mask_ is the union of the hooks of all entries.
/// 2. While a hook is being called entries keep their places: those that are removed lose their instrument and hooks.
class instruments {
public:
    bool any() const noexcept { return mask_ != 0; }
    unsigned mask() const noexcept { return mask_; }
    bool watches(lowlevel::instrument_hook hook) const noexcept { return (mask_ & static_cast<unsigned>(hook)) != 0; }

    /// Returns false when it is there already.
    bool add(lowlevel::instrument_ref added);
    /// Returns false when it is not there.
    bool remove(const instrument* removed) noexcept;

    /// Calls `call(instrument&)` on each that overrides `hook`. One that throws is reported on stderr and removed. Hooks may
    /// add instruments, which are not told of this one, and remove any.
    template <class Call>
    void for_each(lowlevel::instrument_hook hook, Call&& call) {
        ++calls_under_way_;
        const std::size_t present = entries_.size();
        for (std::size_t i = 0; i < present; ++i) {
            const entry told = entries_[i];
            if ((told.hooks & static_cast<unsigned>(hook)) == 0) continue;
            try {
                call(*told.watcher);
            } catch (...) {
                report_and_remove(told.watcher);
            }
        }
        if (--calls_under_way_ == 0 && gaps_) [[unlikely]]
            close_gaps();
    }

private:
    struct entry {
        instrument* watcher;
        unsigned hooks;
    };

    bool contains(const instrument* sought) const noexcept;
    void report_and_remove(const instrument* failed) noexcept;
    void close_gaps() noexcept;
    void update_mask() noexcept;

    std::vector<entry> entries_;
    unsigned mask_ = 0;
    std::uint16_t calls_under_way_ = 0;
    bool gaps_ = false;
};

}  // namespace tombolo::kernel
