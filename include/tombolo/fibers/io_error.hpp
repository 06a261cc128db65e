#pragma once

#include <tombolo/fibers/errors.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

namespace tombolo {

/// Thrown by I/O calls when the system refuses: code() is the errno value in the generic category, the text names the call
/// and what it was about. Streams throw broken_stream for what happens to an open connection.
/// Source: OSError.
class io_error : public std::system_error {
public:
    io_error(int error, const std::string& what) : std::system_error(error, std::generic_category(), what) {}
    /// The errno value.
    [[nodiscard]] int number() const noexcept { return code().value(); }
};

/// Thrown by streams when the connection is lost: reset, timed out, or its other end closed. code() is what the system said,
/// zero where it was no system call.
class broken_stream : public broken_resource {
public:
    broken_stream(int error, const std::string& what)
        : broken_resource(error == 0 ? what : what + ": " + std::generic_category().message(error)),
          code_(error, std::generic_category()) {}

    [[nodiscard]] const std::error_code& code() const noexcept { return code_; }

private:
    std::error_code code_;
};

namespace kernel {

/// Throws what a stream throws for an errno value: closed_resource for EBADF, else broken_stream.
[[noreturn]] void throw_stream_error(int error, const char* what);

}  // namespace kernel
}  // namespace tombolo
