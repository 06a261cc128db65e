#include "test/net/tls_pair.hpp"

#include <tombolo/fibers/net/tls_stream.hpp>
#include <tombolo/testing/lockstep_stream.hpp>
#include <tombolo/testing/memory_stream.hpp>
#include <tombolo/testing/stream_checks.hpp>
#include <tombolo/testing/test.hpp>

#include <utility>

namespace tombolo::testing {
namespace {

using namespace net;
using tls_ends = std::pair<tls_stream, tls_stream>;

template <class Ends>
tls_ends over(Ends ends) {
    static const tls_context client = trusting_client();
    static const tls_context server = localhost_server();
    return {
        tls_stream(std::move(ends.first), client, {.server_hostname = "localhost"}),
        tls_stream(std::move(ends.second), server)};
}

/// The handshake is done: a call that is cancelled in the middle of it breaks the stream, and where nothing is buffered the receive that is to
/// make room would begin with sending, and be stuck too.
tls_ends shaken(tls_ends ends) {
    both([&] { ends.first.do_handshake(); }, [&] { ends.second.do_handshake(); });
    return ends;
}

tls_ends shaken_lockstep() { return shaken(over(lockstep_stream_pair())); }

TOMBOLO_TEST(tls_stream, keeps_what_every_stream_promises_over_memory) {
    check_two_way_stream([] { return shaken(over(memory_stream_pair())); }, shaken_lockstep);
}

TOMBOLO_TEST(tls_stream, keeps_what_every_stream_promises_over_the_systems_sockets) {
    check_two_way_stream([] { return shaken(over(unix_stream::pair())); });
}

}  // namespace
}  // namespace tombolo::testing
