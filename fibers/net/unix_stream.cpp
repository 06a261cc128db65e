#include <tombolo/fibers/net/unix_stream.hpp>

namespace tombolo::net {

std::pair<unix_stream, unix_stream> unix_stream::pair() {
    auto [first, second] = net::socket::pair();
    return {unix_stream(std::move(first)), unix_stream(std::move(second))};
}

unix_stream open_unix_stream(std::string_view path) {
    const endpoint to = endpoint::local(path);
    net::socket connecting(family::local, socket_type::stream);
    connecting.connect(to);
    return unix_stream(std::move(connecting));
}

}  // namespace tombolo::net
