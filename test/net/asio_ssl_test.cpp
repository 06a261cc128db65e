#include "test/net/tls_pair.hpp"

#include <tombolo/fibers/net/tcp_stream.hpp>
#include <tombolo/interop/asio_stream.hpp>
#include <tombolo/testing/test.hpp>

#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include <string>

// Asio's own TLS, unmodified, on an asio_stream.

namespace tombolo::testing {
namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using stream_of_asio = ssl::stream<interop::asio_stream<net::unix_stream>>;

ssl::context asio_client() {
    ssl::context context(ssl::context::tls_client);
    const std::string authority = test_authority().certificate_text();
    context.add_certificate_authority(asio::buffer(authority));
    context.set_verify_mode(ssl::verify_peer);
    return context;
}

ssl::context asio_server() {
    ssl::context context(ssl::context::tls_server);
    const std::string chain = localhost_certificate().certificate_text();
    const std::string key = localhost_certificate().key_text();
    context.use_certificate_chain(asio::buffer(chain));
    context.use_private_key(asio::buffer(key), ssl::context::pem);
    return context;
}

TOMBOLO_TEST(asio_ssl, talks_to_itself_and_shuts_down) {
    auto [near, far] = net::unix_stream::pair();
    ssl::context client_context = asio_client();
    ssl::context server_context = asio_server();
    stream_of_asio client(std::move(near), client_context);
    stream_of_asio server(std::move(far), server_context);
    client.set_verify_callback(ssl::host_name_verification("localhost"));
    const std::string sent = pattern(300'000);
    both(
        [&] {
            client.handshake(ssl::stream_base::client);
            asio::write(client, asio::buffer(sent));
            client.shutdown();
        },
        [&] {
            server.handshake(ssl::stream_base::server);
            std::string got;
            boost::system::error_code error;
            asio::read(server, asio::dynamic_buffer(got), error);
            EXPECT_EQ(error, asio::error::eof);
            EXPECT_TRUE(got == sent);
            server.shutdown();
        });
}

TOMBOLO_TEST(asio_ssl, talks_to_our_tls_stream_either_way) {
    {
        auto [near, far] = net::unix_stream::pair();
        ssl::context context = asio_server();
        stream_of_asio server(std::move(far), context);
        net::tls_stream client(std::move(near), trusting_client(), {.server_hostname = "localhost"});
        both(
            [&] {
                client.send_all("hello");
                client.aclose();
            },
            [&] {
                server.handshake(ssl::stream_base::server);
                std::string got;
                boost::system::error_code error;
                asio::read(server, asio::dynamic_buffer(got), error);
                EXPECT_EQ(error, asio::error::eof);
                EXPECT_EQ(got, "hello");
            });
    }
    auto [near, far] = net::unix_stream::pair();
    ssl::context context = asio_client();
    stream_of_asio client(std::move(near), context);
    net::tls_stream server(std::move(far), localhost_server());
    both(
        [&] {
            client.handshake(ssl::stream_base::client);
            asio::write(client, asio::buffer(std::string_view("hello")));
            boost::system::error_code error;
            client.shutdown(error);
        },
        [&] {
            EXPECT_EQ(receive_all(server), "hello");
            server.aclose();
        });
}

}  // namespace
}  // namespace tombolo::testing
