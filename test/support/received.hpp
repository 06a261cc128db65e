#pragma once

#include <tombolo/fibers/net/socket.hpp>

#include <cstddef>
#include <string>

namespace tombolo::testing {

/// What one receive() brings.
inline std::string received(net::socket& from, std::size_t most = 100) {
    std::string buffer(most, '\0');
    buffer.resize(from.receive(buffer));
    return buffer;
}

}  // namespace tombolo::testing
