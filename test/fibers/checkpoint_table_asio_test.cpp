#include "test/fibers/checkpoint_claims.hpp"
#include "test/fibers/with_waker.hpp"

#include <tombolo/fibers/net/unix_stream.hpp>
#include <tombolo/interop/asio_stream.hpp>

#include <boost/asio/buffer.hpp>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>

// The rows of what Boost's classes see of our streams.

namespace tombolo::testing {
namespace {

namespace asio = boost::asio;
using net::unix_stream;

struct asio_pair {
    explicit asio_pair(std::pair<unix_stream, unix_stream> ends = unix_stream::pair())
        : near(std::move(ends.first)), far(std::move(ends.second)) {}
    interop::asio_stream<unix_stream> near;
    unix_stream far;
    std::array<char, 64> room{};
    boost::system::error_code error;
};

constexpr auto client = static_cast<boost::beast::role_type>(0);
constexpr auto server = static_cast<boost::beast::role_type>(1);

const checkpoint_rows asio_streams{
    {"interop/asio_stream.hpp",
     "asio_stream_read_some",
     "always, but for empty buffers",
     {at_once([](call_check& check) {
          asio_pair pair;
          pair.far.send_all("ab");
          check([&] { pair.near.read_some(asio::buffer(pair.room, 1)); });
          check([&] { pair.near.read_some(asio::buffer(pair.room), pair.error); });
      }),
      waiting([](call_check& check) {
          asio_pair pair;
          with_waker(
              [&] { pair.far.send_all("a"); }, [&] { check([&] { pair.near.read_some(asio::buffer(pair.room)); }); });
      })}},
    {"interop/asio_stream.hpp",
     "asio_stream_write_some",
     "always, but for empty buffers",
     {at_once([](call_check& check) {
          asio_pair pair;
          check([&] { pair.near.write_some(asio::buffer(std::string_view("a"))); });
          check([&] { pair.near.write_some(asio::buffer(std::string_view("b")), pair.error); });
      }),
      waiting([](call_check& check) {
          asio_pair pair;
          const std::string much(64 * 1024, 'x');
          while (pair.near.stream().socket().try_send(much)) {}
          with_waker(
              [&] {
                  std::string taken(64 * 1024, ' ');
                  while (pair.far.socket().try_receive(taken)) {}
              },
              [&] { check([&] { pair.near.write_some(asio::buffer(much)); }); });
      })}},
    {"interop/asio_stream.hpp",
     "teardown",
     "always",
     {at_once([](call_check& check) {
          asio_pair pair;
          pair.far.close();
          check([&] { teardown(client, pair.near, pair.error); });
          EXPECT_FALSE(pair.near.stream().is_open());
      }),
      waiting([](call_check& check) {
          asio_pair pair;
          with_waker([&] { pair.far.close(); }, [&] { check([&] { teardown(server, pair.near, pair.error); }); });
          EXPECT_FALSE(pair.error);
      })}},
    {"interop/asio_stream.hpp", "beast_close_socket", "never", {never([](call_check& check) {
         asio_pair pair;
         check([&] { beast_close_socket(pair.near); });
     })}},
};

}  // namespace
}  // namespace tombolo::testing
