#include "fibers/core/fd_waiters.hpp"

#include <utility>

namespace tombolo::kernel {

namespace {
task_state*& side(fd_waiters::entry& entry, bool write) noexcept { return write ? entry.writer : entry.reader; }
}  // namespace

task_state* fd_waiters::waiter(int fd, bool write) const noexcept {
    const auto found = entries_.find(fd);
    if (found == entries_.end()) return nullptr;
    return write ? found->second.writer : found->second.reader;
}

void fd_waiters::count(const entry& added, const entry& removed) noexcept {
    readers_ += (added.reader != nullptr) - static_cast<std::size_t>(removed.reader != nullptr);
    writers_ += (added.writer != nullptr) - static_cast<std::size_t>(removed.writer != nullptr);
}

int fd_waiters::add(poller& poller, int fd, bool write, task_state& waiter, task_state*& other) {
    entry& waiters = entries_[fd];
    entry added;
    side(added, write) = side(waiters, write) = &waiter;
    count(added, {});
    const int error = poller.arm(fd, waiters.reader != nullptr, waiters.writer != nullptr);
    if (error != 0) {
        const entry out = take_all(poller, fd);
        other = write ? out.reader : out.writer;
    }
    return error;
}

task_state* fd_waiters::remove(poller& poller, int fd, bool write, int& error) noexcept {
    const auto found = entries_.find(fd);
    if (found == entries_.end()) return nullptr;
    entry removed;
    side(removed, write) = std::exchange(side(found->second, write), nullptr);
    count({}, removed);
    const entry& rest = found->second;
    if (rest.reader == nullptr && rest.writer == nullptr) {
        // Disarmed, not deleted: the descriptor's next wait then costs one system call instead of two. A descriptor that is
        // closed meanwhile leaves the kernel's set by itself.
        static_cast<void>(poller.arm(fd, false, false));
        entries_.erase(found);
        return nullptr;
    }
    error = poller.arm(fd, rest.reader != nullptr, rest.writer != nullptr);
    if (error == 0) return nullptr;
    const entry failed = take_all(poller, fd);
    return write ? failed.reader : failed.writer;
}

fd_waiters::entry fd_waiters::take_all(poller& poller, int fd) noexcept {
    const auto found = entries_.find(fd);
    if (found == entries_.end()) return {};
    const entry out = found->second;
    count({}, out);
    entries_.erase(found);
    poller.forget(fd);
    return out;
}

fd_waiters::due fd_waiters::take_due(poller& poller, const poll_event& event) noexcept {
    due result;
    const auto found = entries_.find(event.fd);
    if (found == entries_.end()) return result;
    entry& waiters = found->second;
    if (event.readable) result.ready.reader = std::exchange(waiters.reader, nullptr);
    if (event.writable) result.ready.writer = std::exchange(waiters.writer, nullptr);
    count({}, result.ready);
    if (waiters.reader == nullptr && waiters.writer == nullptr) {
        entries_.erase(found);
        return result;
    }
    result.error = poller.arm(event.fd, waiters.reader != nullptr, waiters.writer != nullptr);
    if (result.error != 0) result.failed = take_all(poller, event.fd);
    return result;
}

}  // namespace tombolo::kernel
