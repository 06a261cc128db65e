#include "server_kinds.h"

#include <tombolo/base/unique_fd.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/net/serve.hpp>
#include <tombolo/fibers/net/tcp_listener.hpp>
#include <tombolo/fibers/run.hpp>

#include <span>
#include <utility>
#include <vector>

namespace bench::net {

namespace {

namespace tb = tombolo;

void converse(tb::net::tcp_stream& stream, service of) {
    conversation talk;
    conversation_begin(&talk, of);
    try {
        for (bool last = false; !last;) {
            std::size_t room = 0;
            char* into = conversation_room(&talk, &room);
            const std::size_t count = stream.receive_some(std::as_writable_bytes(std::span(into, room)));
            if (count == 0) return;
            const answer reply = conversation_received(&talk, count);
            if (reply.size > 0) stream.send_all(std::as_bytes(std::span(reply.data, reply.size)));
            last = reply.last;
        }
    } catch (const tb::broken_resource&) {
        // The client went away, as it may.
    }
}

}  // namespace

}  // namespace bench::net

void serve_with_tombolo(int listener, service of) {
    using namespace bench::net;
    tb::run([&] {
        std::vector<tb::net::tcp_listener> doors;
        doors.emplace_back(tb::net::socket(tb::unique_fd(listener)));
        tb::net::serve_listeners([of](tb::net::tcp_stream& stream) { converse(stream, of); }, std::move(doors));
    });
}
