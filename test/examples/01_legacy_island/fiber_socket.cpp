#include "fiber_socket.hpp"

#include <tombolo/fibers/net/open_tcp_stream.hpp>
#include <tombolo/tombolo.hpp>

#include <system_error>

namespace legacy_island {

namespace tb = tombolo;

namespace {

/// The legacy code knows std::system_error. What cannot connect throws one already; for open connections the streams have
/// an error of their own.
template <class Call>
auto with_legacy_errors(const char* what, Call call) {
    try {
        return call();
    } catch (const tb::broken_stream& lost) {
        throw std::system_error(lost.code(), what);
    }
}

}  // namespace

void fiber_socket::connect(const address& peer) {
    const tb::net::endpoint numeric = tb::net::endpoint::from_raw(peer.get(), peer.size);
    stream_ = tb::net::open_tcp_stream(numeric.address(), numeric.port());
}

std::size_t fiber_socket::send_some(const char* data, std::size_t size) {
    return with_legacy_errors("send", [&] {
        stream_.send_all({data, size});
        return size;
    });
}

std::size_t fiber_socket::receive_some(char* data, std::size_t size) {
    return with_legacy_errors("recv", [&] { return stream_.receive_some({data, size}); });
}

}  // namespace legacy_island
