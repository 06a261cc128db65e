#include "test/fibers/checkpoint_claims.hpp"
#include "test/fibers/with_waker.hpp"
#include "test/net/tls_pair.hpp"

#include <tombolo/fibers/net/open_tls_stream.hpp>
#include <tombolo/fibers/net/serve_tls.hpp>
#include <tombolo/fibers/net/tls_context.hpp>
#include <tombolo/fibers/net/tls_listener.hpp>
#include <tombolo/fibers/net/tls_stream.hpp>
#include <tombolo/fibers/net/unix_stream.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

// The rows of TLS.

namespace tombolo::testing {
namespace {

using namespace net;

struct shaken_pair : tls_pair {
    shaken_pair() { shake_hands(); }
};

/// A client whose transport takes no more.
struct full_pipe {
    full_pipe() {
        auto [near, far] = unix_stream::pair();
        other = std::move(far);
        client = tls_stream(std::move(near), trusting_client(), {.server_hostname = "localhost"});
        const std::string much(64 * 1024, 'x');
        while (client.transport<unix_stream>()->socket().try_send(much)) {}
    }
    void drain() {
        std::string room(64 * 1024, ' ');
        while (other.socket().try_receive(room)) {}
    }
    unix_stream other;
    tls_stream client;
};

const checkpoint_rows streams{
    {"fibers/net/tls_stream.hpp",
     "tls_stream_do_handshake",
     "always",
     {at_once([](call_check& check) {
          shaken_pair ends;
          check([&] { ends.client.do_handshake(); });
      }),
      waiting([](call_check& check) {
          tls_pair ends;
          both([&] { check([&] { ends.client.do_handshake(); }); }, [&] { ends.server.do_handshake(); });
      })}},
    {"fibers/net/tls_stream.hpp",
     "tls_stream_send_all",
     "always",
     {at_once([](call_check& check) {
          shaken_pair ends;
          check([&] { ends.client.send_all("hello"); });
          check([&] { ends.client.send_all(""); });
      }),
      waiting([](call_check& check) {
          shaken_pair ends;
          const std::string much = pattern(2'000'000);
          both(
              [&] { check([&] { ends.client.send_all(much); }); },
              [&] { EXPECT_EQ(receive_exactly(ends.server, much.size()).size(), much.size()); });
      })}},
    {"fibers/net/tls_stream.hpp",
     "tls_stream_wait_send_all_might_not_block",
     "always",
     {at_once([](call_check& check) {
          shaken_pair ends;
          check([&] { ends.client.wait_send_all_might_not_block(); });
      }),
      waiting([](call_check& check) {
          full_pipe pipe;
          with_waker([&] { pipe.drain(); }, [&] { check([&] { pipe.client.wait_send_all_might_not_block(); }); });
      })}},
    {"fibers/net/tls_stream.hpp",
     "tls_stream_receive_some",
     "always",
     {at_once([](call_check& check) {
          shaken_pair ends;
          ends.server.send_all("ab");
          char byte;
          check([&] { EXPECT_EQ(ends.client.receive_some({&byte, 1}), 1U); });
          check([&] { EXPECT_EQ(ends.client.receive_some({&byte, 1}), 1U); });
      }),
      waiting([](call_check& check) {
          shaken_pair ends;
          char byte;
          with_waker([&] { ends.server.send_all("x"); }, [&] { check([&] { ends.client.receive_some({&byte, 1}); }); });
      })}},
    {"fibers/net/tls_stream.hpp",
     "tls_stream_unwrap",
     "always",
     {at_once([](call_check& check) {
          shaken_pair ends;
          open_nursery([&](nursery& n) {
              n.start_soon([&] { static_cast<void>(ends.server.unwrap()); });
              wait_all_tasks_blocked();
              check([&] { static_cast<void>(ends.client.unwrap()); });
          });
      }),
      waiting([](call_check& check) {
          shaken_pair ends;
          with_waker(
              [&] { static_cast<void>(ends.server.unwrap()); },
              [&] { check([&] { static_cast<void>(ends.client.unwrap()); }); });
      })}},
    {"fibers/net/tls_stream.hpp",
     "tls_stream_aclose",
     "always",
     {at_once([](call_check& check) {
          shaken_pair ends;
          check([&] { ends.client.aclose(); });
          check([&] { ends.client.aclose(); });
          tls_stream closed;
          check([&] { closed.aclose(); });
      }),
      waiting([](call_check& check) {
          tls_pair ends;
          both([&] { check([&] { ends.client.aclose(); }); }, [&] { EXPECT_EQ(receive_all(ends.server), ""); });
      })}},
    {"fibers/net/tls_stream.hpp", "tls_stream_close", "never", {never([](call_check& check) {
         shaken_pair ends;
         open_nursery([&](nursery& n) {
             n.start_soon([&] { EXPECT_THROW(receive_exactly(ends.client, 1), closed_resource); });
             wait_all_tasks_blocked();
             check([&] { ends.client.close(); });
             check([&] { ends.client.close(); });
         });
     })}},
};

const checkpoint_rows contexts{
    {"fibers/net/tls_context.hpp", "tls_context_client", "never", {never([](call_check& check) {
         check([] { trusting_client(); });
     })}},
    {"fibers/net/tls_context.hpp", "tls_context_server", "never", {never([](call_check& check) {
         check([] { localhost_server(); });
     })}},
    {"fibers/net/tls_context.hpp", "tls_context_default_client", "never", {never([](call_check& check) {
         check([] { tls_context::default_client(); });
     })}},
};

/// A listener at the loopback address.
struct tls_stage {
    tls_stage()
        : listener(std::move(open_tls_listeners(0, localhost_server(), {.tcp = {.host = "127.0.0.1"}}).front())) {}
    tls_stream connect() {
        return open_tls_stream("127.0.0.1", listener.local_endpoint().port(), {.context = trusting_client()});
    }
    tls_listener<> listener;
};

const checkpoint_rows listeners{
    {"fibers/net/tls_listener.hpp",
     "tls_listener_accept",
     "always",
     {at_once([](call_check& check) {
          tls_stage stage;
          const tls_stream client = stage.connect();
          check([&] { static_cast<void>(stage.listener.accept()); });
      }),
      waiting([](call_check& check) {
          tls_stage stage;
          with_waker(
              [&] { static_cast<void>(stage.connect()); },
              [&] { check([&] { static_cast<void>(stage.listener.accept()); }); });
      })}},
    {"fibers/net/tls_listener.hpp",
     "tls_listener_aclose",
     "always",
     {at_once([](call_check& check) {
          tls_stage stage;
          check([&] { stage.listener.aclose(); });
      }),
      waiting([](call_check& check) {
          tls_stage stage;
          open_nursery([&](nursery& n) {
              n.start_soon([&] { EXPECT_THROW(static_cast<void>(stage.listener.accept()), closed_resource); });
              wait_all_tasks_blocked();
              check([&] { stage.listener.aclose(); });
          });
      })}},
    {"fibers/net/tls_listener.hpp", "tls_listener_close", "never", {never([](call_check& check) {
         tls_stage stage;
         check([&] { stage.listener.close(); });
     })}},
    {"fibers/net/tls_listener.hpp", "tls_listener_local_endpoint", "never", {never([](call_check& check) {
         tls_stage stage;
         check([&] { EXPECT_NE(stage.listener.local_endpoint().port(), 0); });
     })}},
    {"fibers/net/tls_listener.hpp",
     "open_tls_listeners",
     "always",
     {at_once([](call_check& check) {
          check([] { static_cast<void>(open_tls_listeners(0, localhost_server(), {.tcp = {.host = "127.0.0.1"}})); });
      }),
      waiting([](call_check& check) {
          check([] { static_cast<void>(open_tls_listeners(0, localhost_server(), {.tcp = {.host = "localhost"}})); });
      })}},
    {"fibers/net/open_tls_stream.hpp",
     "open_tls_stream",
     "always",
     {at_once([](call_check& check) {
          tls_stage stage;
          check([&] { static_cast<void>(stage.connect()); });
      }),
      waiting([](call_check& check) {
          tls_stage stage;
          check([&] { static_cast<void>(open_tls_stream("localhost", stage.listener.local_endpoint().port())); });
      })}},
    {"fibers/net/serve_tls.hpp",
     "serve_tls",
     "always",
     {at_once([](call_check& check) {
          const auto server = localhost_server();
          cancel_scope scope;
          scope.cancel();
          EXPECT_FALSE(scope.run([&] { check([&] { serve_tls([](tls_stream&) {}, 0, server); }); }));
      }),
      waiting([](call_check& check) {
          const auto server = localhost_server();
          cancel_scope scope;
          with_waker(
              [&] { scope.cancel(); },
              [&] {
                  EXPECT_FALSE(scope.run([&] {
                      check([&] { serve_tls([](tls_stream&) {}, 0, server, {.tcp = {.host = "127.0.0.1"}}); });
                  }));
              });
      })}},
};

}  // namespace
}  // namespace tombolo::testing
