#pragma once

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/net/accept_errors.hpp>
#include <tombolo/fibers/net/socket.hpp>

#include <utility>

// What listeners of all families have in common.
namespace tombolo::net {

/// Throws invalid_descriptor unless it is a stream socket that listens. A socket of a provider is taken at its word.
void require_listening(const socket& listening, const char* what);

/// The next connection that was not lost before it was accepted. One that the peer has reset in between is no stream any more.
template <class Stream>
Stream accept_stream(socket& listening) {
    for (;;) {
        try {
            return Stream(listening.accept().socket);
        } catch (const io_error& error) {
            if (!is_lost_connection(error.number())) throw;
        } catch (const invalid_descriptor&) {
            if (!listening.is_open()) throw;
        }
    }
}

}  // namespace tombolo::net
