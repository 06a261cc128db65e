#include "test/fibers/checkpoint_claims.hpp"
#include "test/support/loopback.hpp"
#include "test/support/scripted_network.hpp"

#include <tombolo/fibers/exception_group.hpp>
#include <tombolo/fibers/net/open_tcp_stream.hpp>
#include <tombolo/fibers/net/resolve.hpp>
#include <tombolo/fibers/net/serve.hpp>
#include <tombolo/fibers/net/udp_socket.hpp>
#include <tombolo/fibers/net/unix_listener.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

// The rows of listeners and servers, of connecting, of names, and of datagrams.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using net::tcp_listener;
using net::udp_socket;
using net::unix_listener;

const net::endpoint any_port("127.0.0.1", 0);

/// Makes a listener, and what connects to it.
struct tcp_stage {
    tcp_listener listener = loopback_listener();
    auto connect() const {
        net::socket client(net::family::ipv4, net::socket_type::stream);
        client.connect(listener.local_endpoint());
        return client;
    }
};

struct unix_stage {
    scratch_folder folder;
    unix_listener listener = net::open_unix_listener(folder / "path");
    auto connect() const { return net::open_unix_stream(folder / "path"); }
};

template <class Stage>
std::vector<situation> accepting() {
    return {
        at_once([](call_check& check) {
            Stage stage;
            const auto client = stage.connect();
            check([&] { static_cast<void>(stage.listener.accept()); });
        }),
        waiting([](call_check& check) {
            Stage stage;
            meanwhile(
                [&] { static_cast<void>(stage.connect()); },
                [&] { check([&] { static_cast<void>(stage.listener.accept()); }); });
        })};
}

template <class Stage>
std::vector<situation> closing() {
    return {
        at_once([](call_check& check) {
            Stage stage;
            check([&] { stage.listener.aclose(); });
            check([&] { stage.listener.aclose(); });
        }),
        waiting([](call_check& check) {
            Stage stage;
            open_nursery([&](nursery& n) {
                n.start_soon([&] { EXPECT_THROW(static_cast<void>(stage.listener.accept()), closed_resource); });
                wait_all_tasks_blocked();
                check([&] { stage.listener.aclose(); });
            });
        })};
}

template <class Stage>
std::vector<situation> closing_by_force() {
    return {never([](call_check& check) {
        Stage stage;
        check([&] { stage.listener.close(); });
    })};
}

template <class Stage>
std::vector<situation> asking_for_endpoints() {
    return {never([](call_check& check) {
        Stage stage;
        check([&] { static_cast<void>(stage.listener.local_endpoint()); });
    })};
}

const checkpoint_rows listeners{
    {"fibers/net/tcp_listener.hpp", "tcp_listener_accept", "always", accepting<tcp_stage>()},
    {"fibers/net/tcp_listener.hpp", "tcp_listener_aclose", "always", closing<tcp_stage>()},
    {"fibers/net/tcp_listener.hpp", "tcp_listener_close", "never", closing_by_force<tcp_stage>()},
    {"fibers/net/tcp_listener.hpp", "tcp_listener_local_endpoint", "never", asking_for_endpoints<tcp_stage>()},
    {"fibers/net/unix_listener.hpp", "unix_listener_accept", "always", accepting<unix_stage>()},
    {"fibers/net/unix_listener.hpp", "unix_listener_aclose", "always", closing<unix_stage>()},
    {"fibers/net/unix_listener.hpp", "unix_listener_close", "never", closing_by_force<unix_stage>()},
    {"fibers/net/unix_listener.hpp", "unix_listener_local_endpoint", "never", asking_for_endpoints<unix_stage>()},
    {"fibers/net/unix_listener.hpp",
     "open_unix_listener",
     "always",
     {at_once([](call_check& check) {
          const std::string name = std::string(1, '\0') + "tombolo-table-" + std::to_string(::getpid());
          check([&] { static_cast<void>(net::open_unix_listener(name)); });
      }),
      waiting([](call_check& check) {
          const scratch_folder folder;
          check([&] { static_cast<void>(net::open_unix_listener(folder / "path")); });
      })}},
    {"fibers/net/open_tcp_listeners.hpp",
     "open_tcp_listeners",
     "always",
     {at_once([](call_check& check) {
          check([] { static_cast<void>(net::open_tcp_listeners(0, {.host = "127.0.0.1"})); });
      }),
      waiting([](call_check& check) {
          check([] { static_cast<void>(net::open_tcp_listeners(0, {.host = "localhost"})); });
      })}},
};

/// Ends by an error, as a server does not end by itself.
const checkpoint_rows servers{
    {"fibers/net/serve.hpp",
     "serve_listeners",
     "always",
     {at_once([](call_check& check) {
          scripted_network network;
          network.accepts = {EBADMSG};
          std::vector<tcp_listener> opened = net::open_tcp_listeners(80, {.host = "1.1.1.1"});
          check(
              [&] { EXPECT_THROW(net::serve_listeners([](net::tcp_stream) {}, std::move(opened)), exception_group); });
      }),
      waiting([](call_check& check) {
          std::vector<tcp_listener> opened = net::open_tcp_listeners(0, {.host = "127.0.0.1"});
          const net::endpoint at = opened.front().local_endpoint();
          net::socket client(net::family::ipv4, net::socket_type::stream);
          meanwhile(
              [&] { client.connect(at); },
              [&] {
                  check([&] {
                      EXPECT_THROW(
                          net::serve_listeners([](net::tcp_stream) { throw 42; }, std::move(opened)),
                          base_exception_group);
                  });
              });
      })}},
    {"fibers/net/serve.hpp",
     "serve_tcp",
     "always",
     {at_once([](call_check& check) {
          scripted_network network;
          network.accepts = {EBADMSG};
          check([] { EXPECT_THROW(net::serve_tcp([](net::tcp_stream) {}, 1, {.host = "1.1.1.1"}), exception_group); });
      }),
      waiting([](call_check& check) {
          scripted_network network;
          check([] { move_on_after(1s, [] { net::serve_tcp([](net::tcp_stream) {}, 1, {.host = "1.1.1.1"}); }); });
      })}},
};

const checkpoint_rows connecting{
    {"fibers/net/open_tcp_stream.hpp",
     "open_tcp_stream",
     "always",
     {at_once([](call_check& check) {
          const tcp_stage stage;
          check([&] { static_cast<void>(net::open_tcp_stream("127.0.0.1", stage.listener.local_endpoint().port())); });
      }),
      waiting([](call_check& check) {
          scripted_network network;
          network.connects["1.1.1.1"] = {1s};
          check([] { static_cast<void>(net::open_tcp_stream("1.1.1.1", 80)); });
      })}},
    {"fibers/net/resolve.hpp",
     "resolve",
     "always",
     {at_once([](call_check& check) {
          check([] { static_cast<void>(net::resolve("::1", 80)); });
          check([] { static_cast<void>(net::resolve("", 80, {.passive = true})); });
          check([] { static_cast<void>(net::resolve("<broadcast>", 80)); });
      }),
      waiting([](call_check& check) { check([] { static_cast<void>(net::resolve("localhost", 80)); }); })}},
    {"fibers/net/resolve.hpp",
     "resolve_service",
     "always",
     {at_once([](call_check& check) { check([] { static_cast<void>(net::resolve("::1", "80")); }); }),
      waiting([](call_check& check) { check([] { static_cast<void>(net::resolve("::1", "http")); }); })}},
    {"fibers/net/resolve.hpp",
     "resolve_name",
     "always",
     {at_once([](call_check& check) {
          scripted_network network;
          check([] { EXPECT_EQ(net::resolve_name({"1.1.1.1", 0}), "host-of-1.1.1.1"); });
      }),
      waiting([](call_check& check) {
          check([] { static_cast<void>(net::resolve_name(net::endpoint("127.0.0.1", 0))); });
      })}},
    {"fibers/net/resolve.hpp", "set_resolver", "never", {never([](call_check& check) {
         check([] { EXPECT_EQ(net::set_resolver(nullptr), nullptr); });
     })}},
};

/// A datagram that is there, or comes later.
struct udp_stage {
    udp_stage() : near(net::family::ipv4), far(net::family::ipv4) {
        near.bind(any_port);
        far.bind(any_port);
        far.connect(near.local_endpoint());
    }
    udp_socket near;
    udp_socket far;
};

const checkpoint_rows datagrams{
    {"fibers/net/udp_socket.hpp", "udp_socket", "never", {never([](call_check& check) {
         check([] { static_cast<void>(udp_socket(net::family::ipv4)); });
     })}},
    {"fibers/net/udp_socket.hpp",
     "udp_bind",
     "always",
     {at_once([](call_check& check) {
          udp_socket socket(net::family::ipv4);
          check([&] { socket.bind(any_port); });
      }),
      waiting([](call_check& check) {
          udp_socket socket(net::family::ipv4);
          meanwhile([] {}, [&] { check([&] { socket.bind(any_port); }); });
      })}},
    {"fibers/net/udp_socket.hpp",
     "udp_connect",
     "always",
     {at_once([](call_check& check) {
          udp_socket socket(net::family::ipv4);
          check([&] { socket.connect({"127.0.0.1", 9}); });
      }),
      waiting([](call_check& check) {
          udp_socket socket(net::family::ipv4);
          meanwhile([] {}, [&] { check([&] { socket.connect({"127.0.0.1", 9}); }); });
      })}},
    {"fibers/net/udp_socket.hpp",
     "udp_send",
     "always",
     {at_once([](call_check& check) {
          udp_stage stage;
          check([&] { stage.near.send_to("x", stage.far.local_endpoint()); });
          check([&] { stage.far.send("x"); });
      }),
      waiting([](call_check& check) {
          auto [left, right] = net::socket::pair(net::socket_type::datagram);
          udp_socket near(std::move(left));
          udp_socket far(std::move(right));
          clog(near.socket());
          std::array<char, 100> buffer;
          meanwhile(
              [&] {
                  while (far.socket().try_receive(buffer)) {}
              },
              [&] { check([&] { near.send("x"); }); });
      })}},
    {"fibers/net/udp_socket.hpp",
     "udp_receive",
     "always",
     {at_once([](call_check& check) {
          udp_stage stage;
          stage.far.send("x");
          stage.far.send("x");
          std::array<char, 1> buffer;
          check([&] { stage.near.receive_from(buffer); });
          check([&] { stage.near.receive(buffer); });
      }),
      waiting([](call_check& check) {
          udp_stage stage;
          std::array<char, 1> buffer;
          meanwhile([&] { stage.far.send("x"); }, [&] { check([&] { stage.near.receive_from(buffer); }); });
      })}},
    {"fibers/net/udp_socket.hpp", "udp_options", "never", {never([](call_check& check) {
         udp_stage stage;
         check([&] { stage.near.set_broadcast(true); });
         check([&] { stage.near.set_multicast_loop(true); });
         check([&] { stage.near.set_multicast_hops(1); });
     })}},
    {"fibers/net/udp_socket.hpp",
     "udp_aclose",
     "always",
     {at_once([](call_check& check) {
          udp_stage stage;
          check([&] { stage.near.aclose(); });
      }),
      waiting([](call_check& check) {
          udp_stage stage;
          open_nursery([&](nursery& n) {
              n.start_soon([&] {
                  std::array<char, 1> buffer;
                  EXPECT_THROW(stage.near.receive(buffer), closed_resource);
              });
              wait_all_tasks_blocked();
              check([&] { stage.near.aclose(); });
          });
      })}},
    {"fibers/net/udp_socket.hpp", "udp_close", "never", {never([](call_check& check) {
         udp_stage stage;
         check([&] { stage.near.close(); });
     })}},
    {"fibers/net/udp_socket.hpp", "udp_endpoints", "never", {never([](call_check& check) {
         udp_stage stage;
         check([&] { static_cast<void>(stage.far.local_endpoint()); });
         check([&] { static_cast<void>(stage.far.remote_endpoint()); });
     })}},
};

}  // namespace
}  // namespace tombolo::testing
