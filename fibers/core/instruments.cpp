#include "fibers/core/instruments.hpp"

#include <tombolo/fibers/exception_group.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>

namespace tombolo::kernel {

bool instruments::add(lowlevel::instrument_ref added) {
    if (contains(added.get())) return false;
    entries_.push_back({added.get(), added.hooks()});
    update_mask();
    return true;
}

bool instruments::remove(const instrument* removed) noexcept {
    const auto found = std::ranges::find(entries_, removed, &entry::watcher);
    if (found == entries_.end()) return false;
    *found = {nullptr, 0};
    gaps_ = true;
    if (calls_under_way_ == 0) close_gaps();
    update_mask();
    return true;
}

bool instruments::contains(const instrument* sought) const noexcept {
    return std::ranges::find(entries_, sought, &entry::watcher) != entries_.end();
}

void instruments::report_and_remove(const instrument* failed) noexcept {
    const std::string error = describe(std::current_exception());
    std::fprintf(stderr, "tombolo: an instrument threw %s; it is removed, the run goes on without it\n", error.c_str());
    remove(failed);
}

void instruments::close_gaps() noexcept {
    std::erase_if(entries_, [](const entry& each) { return each.watcher == nullptr; });
    gaps_ = false;
}

void instruments::update_mask() noexcept {
    mask_ = 0;
    for (const entry& each : entries_) mask_ |= each.hooks;
}

}  // namespace tombolo::kernel
