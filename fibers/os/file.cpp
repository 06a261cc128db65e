#include <tombolo/fibers/os/file.hpp>

#include "fibers/os/file_calls.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/to_thread.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tombolo::kernel {

/// What a file object and its calls in progress share.
struct open_file_state {
    explicit open_file_state(unique_fd opened, std::string name) : fd(std::move(opened)), path(std::move(name)) {}

    /// Puts the position back to where the user believes it is. What cannot seek has no position, and keeps what was read ahead.
    void forget_ahead() {
        if (ahead.empty() || ::lseek(fd.get(), -static_cast<off_t>(ahead.size()), SEEK_CUR) < 0) return;
        ahead.clear();
    }

    unique_fd fd;
    std::string path;
    std::string ahead;         ///< read by read_line and not handed out
    bool in_position = false;  ///< a call that uses the position is in progress
};

}  // namespace tombolo::kernel

namespace tombolo::os {

namespace {

std::string take_line(std::string& from, std::size_t length) {
    std::string line = from.substr(0, length);
    from.erase(0, length + 1);
    return line;
}

int flags_of(const open_options& options) {
    const bool write = options.write || options.append;
    if (!options.read && !write)
        throw usage_error("open_file: neither to read nor to write; ask for one of them at least");
    if (!write && (options.create || options.exclusive || options.truncate))
        throw usage_error("open_file: create, exclusive and truncate are for files opened to write; add .write = true");
    int flags = write ? (options.read ? O_RDWR : O_WRONLY) : O_RDONLY;
    if (options.append) flags |= O_APPEND;
    if (options.create || options.exclusive) flags |= O_CREAT;
    if (options.exclusive) flags |= O_EXCL;
    if (options.truncate) flags |= O_TRUNC;
    return flags;
}

unique_fd require_open(unique_fd fd) {
    if (::fcntl(fd.get(), F_GETFD) < 0)
        throw invalid_descriptor(
            "file: descriptor " + std::to_string(fd.get()) + " is not open; give an open one, or a path to open_file");
    return fd;
}

}  // namespace

file::file() noexcept = default;
file::file(unique_fd fd) : file(require_open(std::move(fd)), {}) {}
file::file(unique_fd fd, std::string path)
    : state_(std::make_shared<kernel::open_file_state>(std::move(fd), std::move(path))) {}
file::file(file&&) noexcept = default;
file& file::operator=(file&&) noexcept = default;
file::~file() = default;

template <class F>
auto file::in_thread(const char* what, F f) {
    if (!state_) throw closed_resource(std::string(what) + ": it is closed; open the file again");
    // Shared, so that the descriptor's number is not somebody else's before the call has ended.
    const std::shared_ptr<kernel::open_file_state> state = state_;
    return to_thread([&f, &state] { return f(*state); });
}

template <class F>
auto file::at_position(const char* what, F f) {
    if (!state_) throw closed_resource(std::string(what) + ": it is closed; open the file again");
    const std::shared_ptr<kernel::open_file_state> state = state_;
    if (std::exchange(state->in_position, true))
        throw busy_resource(
            std::string(what) +
            ": another task is in a call that uses this file's position; let one task do it, or use the calls with an "
            "offset");
    const scope_exit done([&] { state->in_position = false; });
    return f(*state);
}

std::size_t file::read_some(mutable_bytes buffer) {
    constexpr const char* what = "file::read_some";
    if (buffer.empty()) throw invalid_count("file::read_some: the buffer is empty; give room for one byte at least");
    return at_position(what, [&](kernel::open_file_state&) {
        return in_thread(what, [&](kernel::open_file_state& state) {
            state.forget_ahead();
            if (const std::size_t known = std::min(state.ahead.size(), buffer.size())) {
                std::memcpy(buffer.data(), state.ahead.data(), known);
                state.ahead.erase(0, known);
                return known;
            }
            return kernel::read_part(state.fd.get(), buffer, std::nullopt, what, state.path);
        });
    });
}

std::size_t file::read_some_at(mutable_bytes buffer, std::uint64_t offset) {
    constexpr const char* what = "file::read_some_at";
    if (buffer.empty()) throw invalid_count("file::read_some_at: the buffer is empty; give room for one byte at least");
    return in_thread(what, [&](kernel::open_file_state& state) {
        return kernel::read_part(state.fd.get(), buffer, offset, what, state.path);
    });
}

std::string file::read_all() {
    constexpr const char* what = "file::read_all";
    return at_position(what, [&](kernel::open_file_state&) {
        return in_thread(what, [&](kernel::open_file_state& state) {
            std::string all = std::exchange(state.ahead, {});
            kernel::read_rest(state.fd.get(), all, what, state.path);
            return all;
        });
    });
}

std::optional<std::string> file::read_line() {
    constexpr const char* what = "file::read_line";
    constexpr std::size_t at_once = 64 * 1024;
    return at_position(what, [&](kernel::open_file_state& known) -> std::optional<std::string> {
        if (const std::size_t end = known.ahead.find('\n'); end != std::string::npos) {
            checkpoint();
            return take_line(known.ahead, end);
        }
        return in_thread(what, [&](kernel::open_file_state& state) -> std::optional<std::string> {
            std::string& ahead = state.ahead;
            for (std::size_t searched = ahead.size();;) {
                ahead.resize(searched + at_once);
                std::size_t count = 0;
                {
                    const scope_exit keep_what_came([&] { ahead.resize(searched + count); });
                    count = kernel::read_part(
                        state.fd.get(), mutable_bytes(ahead).from(searched), std::nullopt, what, state.path);
                }
                if (const std::size_t end = ahead.find('\n', searched); end != std::string::npos)
                    return take_line(ahead, end);
                if (count == 0) return ahead.empty() ? std::nullopt : std::optional(std::exchange(ahead, {}));
                searched = ahead.size();
            }
        });
    });
}

void file::write_all(const_bytes bytes) {
    constexpr const char* what = "file::write_all";
    at_position(what, [&](kernel::open_file_state&) {
        in_thread(what, [&](kernel::open_file_state& state) {
            state.forget_ahead();
            kernel::write_whole(state.fd.get(), bytes, std::nullopt, what, state.path);
        });
    });
}

void file::write_all_at(const_bytes bytes, std::uint64_t offset) {
    constexpr const char* what = "file::write_all_at";
    in_thread(what, [&](kernel::open_file_state& state) {
        kernel::write_whole(state.fd.get(), bytes, offset, what, state.path);
    });
}

std::uint64_t file::seek(std::int64_t offset, seek_from origin) {
    constexpr const char* what = "file::seek";
    const int whence = origin == seek_from::begin ? SEEK_SET : origin == seek_from::end ? SEEK_END : SEEK_CUR;
    return at_position(what, [&](kernel::open_file_state&) {
        return in_thread(what, [&](kernel::open_file_state& state) {
            state.forget_ahead();
            const off_t position = ::lseek(state.fd.get(), offset, whence);
            if (position < 0) kernel::throw_file_error(what, state.path);
            return static_cast<std::uint64_t>(position);
        });
    });
}

std::uint64_t file::size() {
    return in_thread("file::size", [](kernel::open_file_state& state) {
        struct stat status{};
        if (::fstat(state.fd.get(), &status) != 0) kernel::throw_file_error("file::size", state.path);
        return static_cast<std::uint64_t>(status.st_size);
    });
}

void file::truncate(std::uint64_t size) {
    in_thread("file::truncate", [size](kernel::open_file_state& state) {
        if (kernel::uninterrupted([&] { return ::ftruncate(state.fd.get(), static_cast<off_t>(size)); }) != 0)
            kernel::throw_file_error("file::truncate", state.path);
    });
}

void file::sync() {
    in_thread("file::sync", [](kernel::open_file_state& state) {
        if (kernel::uninterrupted([&] { return ::fsync(state.fd.get()); }) != 0)
            kernel::throw_file_error("file::sync", state.path);
    });
}

file::line_iterator file::begin() { return line_iterator(*this); }

void file::aclose() {
    std::shared_ptr<kernel::open_file_state> closing = std::exchange(state_, nullptr);
    // Where a call is in progress it closes when it has ended.
    if (!closing || closing.use_count() > 1) {
        closing.reset();
        return checkpoint();
    }
    int error = 0;
    cancel_scope shield({.shield = true});
    shield.run([&] {
        to_thread([&] {
            // Never tried again: the descriptor is gone either way.
            if (::close(closing->fd.release()) != 0 && errno != EINTR) error = errno;
        });
    });
    if (error != 0) throw io_error(error, "file::aclose: \"" + closing->path + '"');
    lowlevel::checkpoint_if_cancelled();
}

void file::close() noexcept { state_.reset(); }

int file::fd() const noexcept { return state_ ? state_->fd.get() : -1; }

file open_file(std::filesystem::path path, const open_options& options) {
    const int flags = flags_of(options);
    unique_fd fd = to_thread([&] { return kernel::open_path(path, flags, options.permissions, "open_file"); });
    return file(std::move(fd), path.native());
}

}  // namespace tombolo::os
