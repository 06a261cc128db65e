#include "test/fibers/checkpoint_claims.hpp"
#include "test/support/loopback.hpp"

#include <tombolo/fibers/net/unix_listener.hpp>
#include <tombolo/fibers/net/unix_stream.hpp>
#include <tombolo/fibers/stream.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <unistd.h>

// The rows of streams: over sockets, and behind the abstract interfaces.

namespace tombolo::testing {
namespace {

using net::unix_stream;

struct stream_pair {
    stream_pair() : stream_pair(unix_stream::pair()) {}
    explicit stream_pair(std::pair<unix_stream, unix_stream> both)
        : near(std::move(both.first)), far(std::move(both.second)) {}
    unix_stream near;
    unix_stream far;
};

void drain(unix_stream& stream) {
    std::array<char, 65536> buffer;
    while (stream.socket().try_receive(buffer)) {}
}

void receive_one(auto& stream) {
    std::array<char, 1> buffer;
    EXPECT_EQ(stream.receive_some(buffer), 1U);
}

/// Both situations of a call that sends.
template <class F>
std::vector<situation> sending(F call) {
    return {
        at_once([call](call_check& check) {
            stream_pair pair;
            check([&] { call(pair.near); });
        }),
        waiting([call](call_check& check) {
            stream_pair pair;
            clog(pair.near.socket());
            meanwhile([&] { drain(pair.far); }, [&] { check([&] { call(pair.near); }); });
        })};
}

/// Both situations of a call that receives a byte.
template <class F>
std::vector<situation> receiving(F call) {
    return {
        at_once([call](call_check& check) {
            stream_pair pair;
            pair.far.send_all("x");
            check([&] { call(pair.near); });
        }),
        waiting([call](call_check& check) {
            stream_pair pair;
            meanwhile([&] { pair.far.send_all("x"); }, [&] { check([&] { call(pair.near); }); });
        })};
}

/// A call that closes, alone and while another task waits.
template <class F>
std::vector<situation> closing(F call) {
    return {
        at_once([call](call_check& check) {
            stream_pair pair;
            check([&] { call(pair.near); });
            check([&] { call(pair.near); });
        }),
        waiting([call](call_check& check) {
            stream_pair pair;
            open_nursery([&](nursery& n) {
                n.start_soon([&] { EXPECT_THROW(receive_one(pair.near), closed_resource); });
                wait_all_tasks_blocked();
                check([&] { call(pair.near); });
            });
        })};
}

template <class F>
std::vector<situation> closing_by_force(F call) {
    return {never([call](call_check& check) {
        stream_pair pair;
        check([&] { call(pair.near); });
    })};
}

/// A temporary file with three bytes.
class three_bytes {
public:
    three_bytes() : file_(std::tmpfile(), &std::fclose) { EXPECT_EQ(::write(fd(), "xyz", 3), 3); }
    int fd() const { return ::fileno(file_.get()); }

private:
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

const checkpoint_rows socket_streams{
    {"fibers/net/socket_stream.hpp", "stream_send_all", "always", sending([](unix_stream& to) { to.send_all("x"); })},
    {"fibers/net/socket_stream.hpp", "stream_wait_send_all_might_not_block", "always",
     sending([](unix_stream& to) { to.wait_send_all_might_not_block(); })},
    {"fibers/net/socket_stream.hpp", "stream_send_file", "always", sending([](unix_stream& to) {
         const three_bytes file;
         EXPECT_EQ(to.send_file(file.fd(), 0, 3), 3U);
     })},
    {"fibers/net/socket_stream.hpp",
     "stream_send_eof",
     "always",
     {at_once([](call_check& check) {
          stream_pair pair;
          check([&] { pair.near.send_eof(); });
          check([&] { pair.near.send_eof(); });
      }),
      waiting([](call_check& check) {
          stream_pair pair;
          clog(pair.near.socket());
          check([&] { pair.near.send_eof(); });
      })}},
    {"fibers/net/socket_stream.hpp", "stream_receive_some", "always",
     receiving([](unix_stream& from) { receive_one(from); })},
    {"fibers/net/socket_stream.hpp", "stream_aclose", "always", closing([](unix_stream& of) { of.aclose(); })},
    {"fibers/net/socket_stream.hpp", "stream_close", "never", closing_by_force([](unix_stream& of) { of.close(); })},
    {"fibers/net/socket_stream.hpp", "stream_endpoints", "never", closing_by_force([](unix_stream& of) {
         static_cast<void>(of.local_endpoint());
         static_cast<void>(of.remote_endpoint());
     })},
    {"fibers/net/tcp_stream.hpp", "tcp_stream_set_no_delay", "never", {never([](call_check& check) {
         loopback_connection pair;
         check([&] { pair.near.set_no_delay(false); });
     })}},
    {"fibers/net/tcp_stream.hpp", "tcp_stream_set_keep_alive", "never", {never([](call_check& check) {
         loopback_connection pair;
         check([&] { pair.near.set_keep_alive(true); });
     })}},
    {"fibers/net/unix_stream.hpp", "unix_stream_pair", "never", {never([](call_check& check) {
         check([] { static_cast<void>(unix_stream::pair()); });
     })}},
    {"fibers/net/unix_stream.hpp",
     "open_unix_stream",
     "always",
     {at_once([](call_check& check) {
          const scratch_folder folder;
          const net::unix_listener listener = net::open_unix_listener(folder / "path");
          check([&] { static_cast<void>(net::open_unix_stream(folder / "path")); });
      }),
      waiting([](call_check& check) {
          const scratch_folder folder;
          net::unix_listener listener = net::open_unix_listener(folder / "path", {.backlog = 1});
          const unix_stream first = net::open_unix_stream(folder / "path");
          const unix_stream second = net::open_unix_stream(folder / "path");
          meanwhile(
              [&] { static_cast<void>(listener.accept()); },
              [&] { check([&] { static_cast<void>(net::open_unix_stream(folder / "path")); }); });
      })}},
};

/// A buffer as Asio has them.
template <class Byte>
struct one_buffer {
    Byte* bytes;
    std::size_t count;
    Byte* data() const { return bytes; }
    std::size_t size() const { return count; }
    one_buffer& operator+=(std::size_t by) {
        bytes += by;
        count -= by;
        return *this;
    }
};

const checkpoint_rows asio_streams{
    {"fibers/kernel/asio_sync_stream.hpp", "stream_read_some", "always, but for empty buffers",
     receiving([](unix_stream& from) {
         char byte = 0;
         EXPECT_EQ(from.read_some(one_buffer<char>{&byte, 1}), 1U);
     })},
    {"fibers/kernel/asio_sync_stream.hpp", "stream_write_some", "always, but for empty buffers",
     sending([](unix_stream& to) { EXPECT_EQ(to.write_some(one_buffer<const char>{"x", 1}), 1U); })},
};

/// The same calls behind the abstract interfaces: `call` gets the wrapped stream.
template <class F>
auto wrapped(F call) {
    return [call](unix_stream& inner) {
        const std::unique_ptr<stream> outer = make_stream(std::move(inner));
        call(*outer);
    };
}

/// What waits in the stream would be moved with it, so that the only waiting is before.
template <class F>
std::vector<situation> closing_wrapped(F call) {
    std::vector<situation> both = closing(wrapped(call));
    both.erase(both.begin() + 1);
    both.push_back(waiting([call](call_check& check) {
        stream_pair pair;
        const std::unique_ptr<stream> outer = make_stream(std::move(pair.near));
        open_nursery([&](nursery& n) {
            n.start_soon([&] { EXPECT_THROW(receive_one(*outer), closed_resource); });
            wait_all_tasks_blocked();
            check([&] { call(*outer); });
        });
    }));
    return both;
}

const checkpoint_rows abstract_streams{
    {"fibers/stream.hpp", "abstract_send_all", "always", sending(wrapped([](send_stream& to) { to.send_all("x"); }))},
    {"fibers/stream.hpp", "abstract_wait_send_all_might_not_block", "always",
     sending(wrapped([](send_stream& to) { to.wait_send_all_might_not_block(); }))},
    {"fibers/stream.hpp", "abstract_send_aclose", "always", closing_wrapped([](send_stream& of) { of.aclose(); })},
    {"fibers/stream.hpp", "abstract_send_close", "never",
     closing_by_force(wrapped([](send_stream& of) { of.close(); }))},
    {"fibers/stream.hpp", "abstract_receive_some", "always",
     receiving(wrapped([](receive_stream& from) { receive_one(from); }))},
    {"fibers/stream.hpp", "abstract_receive_aclose", "always",
     closing_wrapped([](receive_stream& of) { of.aclose(); })},
    {"fibers/stream.hpp", "abstract_receive_close", "never",
     closing_by_force(wrapped([](receive_stream& of) { of.close(); }))},
    {"fibers/stream.hpp", "make_stream", "never", closing_by_force(wrapped([](stream&) {}))},
};

}  // namespace
}  // namespace tombolo::testing
