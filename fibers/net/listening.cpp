#include "fibers/net/listening.hpp"

#include <tombolo/fibers/errors.hpp>

#include <string>

#include <sys/socket.h>

namespace tombolo::net {

void require_listening(const socket& listening, const char* what) {
    if (listening.type() != socket_type::stream)
        throw invalid_descriptor(std::string(what) + ": a listener needs a stream socket");
    if (listening.fd() >= 0 && listening.option(SOL_SOCKET, SO_ACCEPTCONN) == 0)
        throw invalid_descriptor(std::string(what) + ": the socket does not listen; bind it and call listen() first");
}

}  // namespace tombolo::net
