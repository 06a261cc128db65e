#include <tombolo/fibers/io_error.hpp>

#include <cerrno>

namespace tombolo::kernel {

void throw_stream_error(int error, const char* what) {
    if (error == EBADF) throw closed_resource(std::string(what) + ": the descriptor is closed");
    throw broken_stream(error, std::string(what) + ": the connection is lost");
}

}  // namespace tombolo::kernel
