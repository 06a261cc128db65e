#pragma once

#include <tombolo/base/bytes.hpp>
#include <tombolo/base/unique_fd.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

namespace tombolo::kernel {
struct open_file_state;
}  // namespace tombolo::kernel

namespace tombolo::os {

class file;

/// What open_file may do with a file, and what it does with one that is there or not.
struct open_options {
    bool read = true;
    bool write = false;
    /// Each write goes to the end, wherever that is by then. Includes `write`.
    bool append = false;
    /// Makes the file when it is not there. Not without `write`.
    bool create = false;
    /// Fails when the file is there. Includes `create`.
    bool exclusive = false;
    /// Empties the file. Not without `write`.
    bool truncate = false;
    /// Of a file that is made; the process's umask takes away from it.
    unsigned permissions = 0666;
};

enum class seek_from { begin, position, end };

/// An open file whose calls are made in threads, as disks and network file systems may be slow and no poller knows when they will
/// be done. Use read_file and write_file for whole files, fd_stream for pipes and terminals.
///
/// A call that has begun is not interrupted: it returns its result although it was cancelled. So does one whose file is
/// closed meanwhile; the descriptor lives until then.
///
/// Lifetime: move-only. The destructor closes, on its own thread and whatever comes of it; aclose() says. One task at a time uses the
/// position, others get busy_resource; the calls with an offset have no such limit. Not thread-safe.
/// Source: trio.open_file, AsyncIOWrapper.
class file {
public:
    class line_iterator;

    /// Closed: every call throws closed_resource.
    file() noexcept;
    /// Takes over an open descriptor of a regular file. Throws: invalid_descriptor when it is not open.
    explicit file(unique_fd fd);
    file(file&&) noexcept;
    file& operator=(file&&) noexcept;
    ~file();

    /// Reads from the position on, at least one byte, and returns how many; 0 at the end of the file.
    /// Checkpoint: always. Cancellation: before the reading begins. Throws: io_error; busy_resource; closed_resource; invalid_count for
    /// an empty buffer; cancelled.
    std::size_t read_some(mutable_bytes buffer);
    /// Checkpoint: always. Cancellation, Throws: as read_some().
    std::size_t read_some_at(mutable_bytes buffer, std::uint64_t offset);
    /// From the position to the end.
    /// Checkpoint: always. Cancellation, Throws: as read_some().
    std::string read_all();
    /// The next line without its newline; empty when there is none. Reads ahead.
    /// Checkpoint: always. Cancellation, Throws: as read_some().
    std::optional<std::string> read_line();

    /// Writes all of it at the position, or at the end of a file opened to append.
    /// Checkpoint: always. Cancellation: before the writing begins. Throws: io_error, and a part may have been written; busy_resource;
    /// closed_resource; cancelled.
    void write_all(const_bytes bytes);
    /// Checkpoint: always. Cancellation, Throws: as write_all().
    void write_all_at(const_bytes bytes, std::uint64_t offset);

    /// Moves the position and returns where it is. `seek(0, seek_from::position)` asks.
    /// Checkpoint: always. Throws: as read_some().
    std::uint64_t seek(std::int64_t offset, seek_from origin = seek_from::begin);
    /// Units: bytes. Checkpoint: always. Throws: io_error; closed_resource; cancelled.
    std::uint64_t size();
    /// Cuts the file, or lengthens it with zeros. The position stays.
    /// Checkpoint: always. Throws: io_error; closed_resource; cancelled.
    void truncate(std::uint64_t size);
    /// Returns when the data is on the device.
    /// Checkpoint: always. Throws: io_error; closed_resource; cancelled.
    void sync();

    /// `for (const std::string& line : file)` reads line by line.
    /// Checkpoint: always. Throws: as read_some(); so does the iterator's ++, which reads the next line.
    line_iterator begin();
    std::default_sentinel_t end() const noexcept { return {}; }

    /// Closes it and tells what the system had kept to itself until then: a full disk, a lost server.
    /// Checkpoint: always. Cancellation: looked at afterwards; the file is closed in any case. Throws: io_error; cancelled.
    void aclose();
    /// Again: does nothing.
    /// Checkpoint: never.
    void close() noexcept;
    bool is_open() const noexcept { return state_ != nullptr; }
    /// -1 when closed. It is not to be closed.
    int fd() const noexcept;

private:
    friend file open_file(std::filesystem::path, const open_options&);
    file(unique_fd fd, std::string path);
    template <class F>
    auto in_thread(const char* what, F f);
    template <class F>
    auto at_position(const char* what, F f);

    std::shared_ptr<kernel::open_file_state> state_;  ///< null when closed; calls in progress share it
};

/// Reads as it goes.
class file::line_iterator {
public:
    using value_type = std::string;
    using difference_type = std::ptrdiff_t;

    const std::string& operator*() const noexcept { return *line_; }
    line_iterator& operator++() {
        line_ = file_->read_line();
        return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const noexcept { return !line_; }

private:
    friend class file;
    explicit line_iterator(file& from) : file_(&from), line_(from.read_line()) {}

    file* file_;
    std::optional<std::string> line_;
};

/// Opens a file in a thread. A named pipe would keep that thread until it has another end: open such things without blocking, for
/// an fd_stream.
/// Checkpoint: always. Cancellation: before the opening begins. Throws: io_error with the path; usage_error for options that make no sense;
/// cancelled; not_in_run, not_in_task and their kin.
/// Source: trio.open_file.
[[nodiscard]] file open_file(std::filesystem::path path, const open_options& options = {});

}  // namespace tombolo::os
