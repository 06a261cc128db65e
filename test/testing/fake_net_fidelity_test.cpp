#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/net/socket.hpp>
#include <tombolo/testing/fake_net.hpp>
#include <tombolo/testing/test.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <sys/socket.h>

// The same calls on loopback sockets of the system and of a fake network end in the same way.

namespace tombolo::testing {
namespace {

using net::endpoint;
using net::socket;

socket tcp() { return {net::family::ipv4, net::socket_type::stream}; }
socket udp() { return {net::family::ipv4, net::socket_type::datagram}; }

const endpoint somewhere = endpoint::loopback(net::family::ipv4, 0);

struct connected_sockets {
    connected_sockets() {
        listening.bind(somewhere);
        listening.listen();
        near.connect(listening.local_endpoint());
        far = listening.accept().socket;
    }
    socket listening = tcp();
    socket near = tcp();
    socket far;
};

socket bound(socket made) {
    made.bind(somewhere);
    return made;
}

std::size_t receive(socket& from, int flags = 0) {
    std::string buffer(10, '\0');
    return from.receive(buffer, flags);
}

/// What became of each call: the number of its error, or what it returned.
class protocol {
public:
    template <class Call>
    void note(const std::string& what, Call call) {
        std::string result = "returned";
        try {
            if constexpr (std::is_void_v<decltype(call())>)
                call();
            else
                result += " " + std::to_string(call());
        } catch (const io_error& error) {
            result = "errno " + std::to_string(error.number());
        }
        lines_.push_back(what + ": " + result);
    }
    const std::vector<std::string>& lines() const { return lines_; }

private:
    std::vector<std::string> lines_;
};

void unconnected_streams(protocol& p) {
    socket s = tcp();
    p.note("receive", [&] { return receive(s); });
    p.note("remote endpoint", [&] { static_cast<void>(s.remote_endpoint()); });
    p.note("port", [&] { return std::size_t{s.local_endpoint().port()}; });
    p.note("accept", [&] { static_cast<void>(s.accept()); });
    p.note("shutdown", [&] { s.shutdown(net::shutdown_side::send); });
    p.note("bind to another's address", [&] { s.bind(endpoint("203.0.113.7", 0)); });
    p.note("bind", [&] { s.bind(somewhere); });
    p.note("bind again", [&] { s.bind(somewhere); });
    socket other = tcp();
    p.note("bind to what is taken", [&] { other.bind(s.local_endpoint()); });
    p.note("connect where nobody listens", [&] { other.connect(s.local_endpoint()); });
}

void connected_streams(protocol& p) {
    connected_sockets c;
    p.note("connect again", [&] { c.far.connect(c.listening.local_endpoint()); });
    p.note("listen", [&] { c.near.listen(); });
    p.note("bind", [&] { c.near.bind(somewhere); });
    p.note("accept", [&] { static_cast<void>(c.near.accept()); });
    p.note("send", [&] { return c.near.send("hello"); });
    p.note("send nothing", [&] { return c.near.send({}); });
    p.note("peek", [&] { return receive(c.far, MSG_PEEK); });
    p.note("receive", [&] { return receive(c.far); });
    p.note("is readable", [&] { return std::size_t{c.far.is_readable()}; });
    p.note("shutdown", [&] { c.near.shutdown(net::shutdown_side::send); });
    p.note("send after shutdown", [&] { return c.near.send("x"); });
    p.note("receive the end", [&] { return receive(c.far); });
    p.note("receive the end again", [&] { return receive(c.far); });
    p.note("send back", [&] { return c.far.send("y"); });
    p.note("receive after shutdown", [&] { return receive(c.near); });
    p.note("listening", [&] { return static_cast<std::size_t>(c.listening.option(SOL_SOCKET, SO_ACCEPTCONN)); });
    p.note("connected", [&] { return static_cast<std::size_t>(c.near.option(SOL_SOCKET, SO_ACCEPTCONN)); });
}

void reset_streams(protocol& p) {
    connected_sockets c;
    c.near.send("never received");
    receive(c.far, MSG_PEEK);
    c.far.close();
    c.near.wait_readable();
    p.note("receive after a reset", [&] { return receive(c.near); });
    connected_sockets d;
    d.near.close();
    d.far.wait_readable();
    p.note("receive after close", [&] { return receive(d.far); });
    p.note("send after close", [&] { return d.far.send("x"); });
    connected_sockets e;
    socket waiting = tcp();
    waiting.connect(e.listening.local_endpoint());
    e.listening.close();
    p.note("receive when nobody accepts", [&] { return receive(waiting); });
}

void datagrams(protocol& p) {
    socket s = udp();
    p.note("listen", [&] { s.listen(); });
    p.note("accept", [&] { static_cast<void>(s.accept()); });
    p.note("send to nobody", [&] { return s.send("x"); });
    socket receiver = bound(udp());
    p.note("send too much", [&] { return s.send_to(std::string(65508, 'x'), receiver.local_endpoint()); });
    p.note("send", [&] { return s.send_to("hello, world", receiver.local_endpoint()); });
    std::string buffer(5, '\0');
    p.note("cut off", [&] { return std::size_t{receiver.receive_from(buffer).truncated}; });
    p.note("is readable", [&] { return std::size_t{receiver.is_readable()}; });
    const endpoint gone = bound(udp()).local_endpoint();
    p.note("connect", [&] { s.connect(gone); });
    p.note("send to where nobody is", [&] { return s.send("x"); });
    s.wait_readable();
    p.note("receive", [&] { return receive(s); });
    socket stream = bound(tcp());
    socket same_number = udp();
    p.note("bind to a stream's port", [&] { same_number.bind(stream.local_endpoint()); });
}

std::vector<std::string> protocol_of(const std::function<void(protocol&)>& calls) {
    protocol p;
    calls(p);
    return p.lines();
}

void expect_alike(const std::function<void(protocol&)>& calls) {
    const std::vector<std::string> system = protocol_of(calls);
    const fake_net network;
    EXPECT_EQ(protocol_of(calls), system);
}

TOMBOLO_TEST(fake_net_fidelity, unconnected_streams_end_alike) { expect_alike(unconnected_streams); }
TOMBOLO_TEST(fake_net_fidelity, connected_streams_end_alike) { expect_alike(connected_streams); }
TOMBOLO_TEST(fake_net_fidelity, reset_streams_end_alike) { expect_alike(reset_streams); }
TOMBOLO_TEST(fake_net_fidelity, datagrams_end_alike) { expect_alike(datagrams); }

}  // namespace
}  // namespace tombolo::testing
