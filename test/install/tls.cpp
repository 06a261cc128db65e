#include <tombolo/interop/asio_stream.hpp>
#include <tombolo/tombolo.hpp>

#include <boost/asio/buffer.hpp>

#include <array>
#include <string_view>
#include <utility>

namespace tb = tombolo;

int main() {
    return tb::run([] {
        auto [left, right] = tb::net::unix_stream::pair();
        tb::interop::asio_stream<tb::net::unix_stream> wrapped(std::move(left));
        right.send_all("through");
        std::array<char, 7> got{};
        wrapped.read_some(boost::asio::buffer(got));
        const tb::net::tls_context context = tb::net::tls_context::client();
        const tb::net::tls_stream stream(std::move(right), context, {.server_hostname = "localhost"});
        return stream.is_open() && std::string_view(got.data(), got.size()) == "through" ? 0 : 1;
    });
}
