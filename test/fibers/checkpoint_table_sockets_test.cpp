#include "test/fibers/checkpoint_claims.hpp"
#include "test/support/descriptors.hpp"
#include "test/support/loopback.hpp"
#include "test/support/scripted_network.hpp"

#include <tombolo/fibers/kernel/owned_fd.hpp>
#include <tombolo/fibers/net/socket.hpp>
#include <tombolo/fibers/net/socket_backend.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

// The rows of sockets, of their backends, and of the descriptors under them.

namespace tombolo::testing {
namespace {

using net::endpoint;
using net::family;
using net::socket_type;

net::socket stream_socket() { return {family::ipv4, socket_type::stream}; }

const endpoint any_port("127.0.0.1", 0);

struct socket_pair {
    socket_pair() : socket_pair(net::socket::pair()) {}
    explicit socket_pair(std::pair<net::socket, net::socket> both)
        : near(std::move(both.first)), far(std::move(both.second)) {}
    net::socket near;
    net::socket far;
};

/// Every byte that somebody sends, until there is none.
void drain(net::socket& socket) {
    std::array<char, 65536> buffer;
    while (socket.try_receive(buffer)) {}
}

const checkpoint_rows socket_lives{
    {"fibers/net/socket.hpp", "socket", "never", {never([](call_check& check) { check([] { stream_socket(); }); })}},
    {"fibers/net/socket.hpp", "socket_pair", "never", {never([](call_check& check) {
         check([] { static_cast<void>(net::socket::pair()); });
     })}},
    {"fibers/net/socket.hpp",
     "socket_bind",
     "always",
     {at_once([](call_check& check) {
          net::socket socket = stream_socket();
          check([&] { socket.bind(any_port); });
      }),
      waiting([](call_check& check) {
          const scratch_folder folder;
          net::socket socket(family::local, socket_type::stream);
          check([&] { socket.bind(endpoint::local(folder / "path")); });
      })}},
    {"fibers/net/socket.hpp", "socket_listen", "never", {never([](call_check& check) {
         net::socket socket = stream_socket();
         check([&] { socket.listen(); });
     })}},
    {"fibers/net/socket.hpp",
     "socket_accept",
     "always",
     {at_once([](call_check& check) {
          net::tcp_listener listener = loopback_listener();
          net::socket client = stream_socket();
          client.connect(listener.local_endpoint());
          check([&] { listener.socket().accept(); });
      }),
      waiting([](call_check& check) {
          net::tcp_listener listener = loopback_listener();
          net::socket client = stream_socket();
          meanwhile(
              [&] { client.connect(listener.local_endpoint()); }, [&] { check([&] { listener.socket().accept(); }); });
      })}},
    {"fibers/net/socket.hpp",
     "socket_connect",
     "always",
     {at_once([](call_check& check) {
          net::socket socket(family::ipv4, socket_type::datagram);
          check([&] { socket.connect({"127.0.0.1", 9}); });
      }),
      waiting([](call_check& check) {
          const net::tcp_listener listener = loopback_listener();
          net::socket socket = stream_socket();
          check([&] { socket.connect(listener.local_endpoint()); });
      })}},
    {"fibers/net/socket.hpp", "socket_duplicate", "never", {never([](call_check& check) {
         const socket_pair pair;
         check([&] { static_cast<void>(pair.near.duplicate()); });
     })}},
    {"fibers/net/socket.hpp", "socket_release", "never", {never([](call_check& check) {
         socket_pair pair;
         check([&] { static_cast<void>(pair.near.release()); });
     })}},
    {"fibers/net/socket.hpp", "socket_close", "never", {never([](call_check& check) {
         socket_pair pair;
         check([&] { pair.near.close(); });
     })}},
};

const checkpoint_rows socket_transfers{
    {"fibers/net/socket.hpp",
     "socket_receive",
     "always",
     {at_once([](call_check& check) {
          socket_pair pair;
          pair.far.send("xxx");
          std::array<char, 1> buffer;
          check([&] { pair.near.receive(buffer); });
          check([&] { pair.near.receive_from(buffer); });
          check([&] { pair.near.receive(buffer, MSG_PEEK); });
      }),
      waiting([](call_check& check) {
          socket_pair pair;
          std::array<char, 1> buffer;
          meanwhile([&] { pair.far.send("x"); }, [&] { check([&] { pair.near.receive_from(buffer); }); });
      })}},
    {"fibers/net/socket.hpp",
     "socket_send",
     "always",
     {at_once([](call_check& check) {
          socket_pair pair;
          check([&] { pair.near.send("x"); });
          check([&] { pair.near.send_to("x", {}); });
      }),
      waiting([](call_check& check) {
          socket_pair pair;
          clog(pair.near);
          meanwhile([&] { drain(pair.far); }, [&] { check([&] { pair.near.send("x"); }); });
      })}},
    {"fibers/net/socket.hpp",
     "socket_send_file",
     "always",
     {at_once([](call_check& check) {
          socket_pair pair;
          const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), &std::fclose);
          EXPECT_EQ(::write(::fileno(file.get()), "xyz", 3), 3);
          check([&] { EXPECT_EQ(pair.near.send_file(::fileno(file.get()), 0, 3), 3U); });
      }),
      waiting([](call_check& check) {
          socket_pair pair;
          const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), &std::fclose);
          EXPECT_EQ(::write(::fileno(file.get()), "xyz", 3), 3);
          clog(pair.near);
          meanwhile([&] { drain(pair.far); }, [&] { check([&] { pair.near.send_file(::fileno(file.get()), 0, 3); }); });
      })}},
    {"fibers/net/socket.hpp", "socket_try_receive", "never", {never([](call_check& check) {
         socket_pair pair;
         std::array<char, 1> buffer;
         check([&] { EXPECT_FALSE(pair.near.try_receive(buffer)); });
         check([&] { EXPECT_TRUE(pair.near.try_send("x")); });
         check([&] { EXPECT_TRUE(pair.far.try_receive(buffer)); });
     })}},
    {"fibers/net/socket.hpp", "socket_shutdown", "never", {never([](call_check& check) {
         socket_pair pair;
         check([&] { pair.near.shutdown(net::shutdown_side::send); });
     })}},
    {"fibers/net/socket.hpp", "socket_is_readable", "never", {never([](call_check& check) {
         socket_pair pair;
         check([&] { EXPECT_FALSE(pair.near.is_readable()); });
     })}},
    {"fibers/net/socket.hpp",
     "socket_wait_readable",
     "always",
     {at_once([](call_check& check) {
          socket_pair pair;
          pair.far.send("x");
          check([&] { pair.near.wait_readable(); });
          check([&] { pair.near.wait_writable(); });
      }),
      waiting([](call_check& check) {
          socket_pair pair;
          meanwhile([&] { pair.far.send("x"); }, [&] { check([&] { pair.near.wait_readable(); }); });
          clog(pair.near);
          meanwhile([&] { drain(pair.far); }, [&] { check([&] { pair.near.wait_writable(); }); });
      })}},
    {"fibers/net/socket.hpp", "socket_options", "never", {never([](call_check& check) {
         loopback_connection pair;
         net::socket& socket = pair.near.socket();
         check([&] { static_cast<void>(socket.local_endpoint()); });
         check([&] { static_cast<void>(socket.remote_endpoint()); });
         check([&] { socket.set_option(SOL_SOCKET, SO_KEEPALIVE, 1); });
         check([&] { EXPECT_EQ(socket.option(SOL_SOCKET, SO_KEEPALIVE), 1); });
     })}},
    {"fibers/net/socket.hpp",
     "socket_send_gathered",
     "always",
     {at_once([](call_check& check) {
          socket_pair pair;
          const std::array<const_bytes, 2> parts{const_bytes("x"), const_bytes("y")};
          std::array<char, 2> buffer;
          check([&] { EXPECT_EQ(pair.near.send_gathered(parts, "test"), 2); });
          check([&] { EXPECT_EQ(pair.far.receive_once(buffer, "test"), 2); });
      }),
      waiting([](call_check& check) {
          socket_pair pair;
          const std::array<const_bytes, 2> parts{const_bytes("x"), const_bytes("y")};
          std::array<char, 2> buffer;
          meanwhile([&] { pair.near.send("x"); }, [&] { check([&] { pair.far.receive_once(buffer, "test"); }); });
          clog(pair.near);
          meanwhile([&] { drain(pair.far); }, [&] { check([&] { pair.near.send_gathered(parts, "test"); }); });
      })}},
};

const checkpoint_rows backends{
    {"fibers/net/socket_backend.hpp", "socket_backend_try", "never", {never([](call_check& check) {
         scripted_network network;
         const auto backend = network.open(family::ipv4, socket_type::stream);
         std::array<char, 1> buffer;
         check([&] { backend->try_receive(buffer, 0); });
         check([&] { backend->try_send("x", 0); });
     })}},
    {"fibers/net/socket_backend.hpp", "socket_backend_close", "never", {never([](call_check& check) {
         scripted_network network;
         const auto backend = network.open(family::ipv4, socket_type::stream);
         check([&] { backend->close(); });
     })}},
    {"fibers/net/socket_backend.hpp", "set_socket_provider", "never", {never([](call_check& check) {
         check([] { EXPECT_EQ(net::set_socket_provider(nullptr), nullptr); });
     })}},
};

using kernel::io_direction;
using kernel::owned_fd;

const checkpoint_rows descriptors{
    {"fibers/kernel/owned_fd.hpp",
     "owned_fd_wait",
     "always",
     {at_once([](call_check& check) {
          open_pipe pipe;
          put(pipe.writer, "x");
          owned_fd reader(std::move(pipe.reader));
          check([&] { reader.wait(io_direction::read, "test"); });
      }),
      waiting([](call_check& check) {
          open_pipe pipe;
          owned_fd reader(std::move(pipe.reader));
          meanwhile([&] { put(pipe.writer, "x"); }, [&] { check([&] { reader.wait(io_direction::read, "test"); }); });
      })}},
    {"fibers/kernel/owned_fd.hpp",
     "owned_fd_perform",
     "always",
     {at_once([](call_check& check) {
          open_pipe pipe;
          put(pipe.writer, "x");
          owned_fd reader(std::move(pipe.reader));
          char byte = 0;
          check([&] { reader.perform(io_direction::read, "test", [&] { return ::read(reader.get(), &byte, 1); }); });
          EXPECT_EQ(byte, 'x');
      }),
      waiting([](call_check& check) {
          open_pipe pipe;
          owned_fd reader(std::move(pipe.reader));
          char byte = 0;
          meanwhile(
              [&] { put(pipe.writer, "x"); },
              [&] {
                  check([&] {
                      reader.perform(io_direction::read, "test", [&] { return ::read(reader.get(), &byte, 1); });
                  });
              });
          EXPECT_EQ(byte, 'x');
      })}},
    {"fibers/kernel/owned_fd.hpp", "owned_fd_close", "never", {never([](call_check& check) {
         open_pipe pipe;
         owned_fd reader(std::move(pipe.reader));
         check([&] { reader.close(); });
     })}},
};

}  // namespace
}  // namespace tombolo::testing
