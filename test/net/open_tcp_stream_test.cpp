#include <tombolo/fibers/net/open_tcp_stream.hpp>

#include "test/fibers/thrown.hpp"
#include "test/support/scripted_network.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/exception_group.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/testing/test.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

// Cases 81 to 84.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using net::open_tcp_stream;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> order_of(const scripted_network& network) {
    std::vector<std::string> order;
    for (const connect_record& each : network.connected) order.push_back(each.address);
    return order;
}

std::vector<duration> times_of(const scripted_network& network) {
    std::vector<duration> times;
    for (const connect_record& each : network.connected) times.push_back(each.at);
    return times;
}

std::exception_ptr connect_failure(const net::tcp_stream_options& options = {}) {
    return thrown_by([&] { static_cast<void>(open_tcp_stream("host", 80, options)); });
}

net::connect_error caught(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const net::connect_error& error) {
        return error;
    }
}

std::vector<int> errors_in(const std::exception_ptr& failure) {
    std::vector<int> errors;
    for (const std::exception_ptr& each : group_in(caught(failure).cause()).exceptions()) {
        try {
            std::rethrow_exception(each);
        } catch (const io_error& inner) {
            errors.push_back(inner.number());
        }
    }
    return errors;
}

TOMBOLO_TEST(open_tcp_stream, connects_to_a_single_address) {
    scripted_network network;
    network.addresses = {"1.1.1.1"};
    network.connects["1.1.1.1"] = {400ms};
    {
        net::tcp_stream stream = open_tcp_stream("host", 80);
        EXPECT_EQ(stream.remote_endpoint().to_string(), "1.1.1.1:80");
        EXPECT_EQ(network.elapsed(), 400ms);
        EXPECT_EQ(network.open_sockets, 1);
    }
    EXPECT_EQ(network.open_sockets, 0);
}

TOMBOLO_TEST(open_tcp_stream, begins_the_next_attempt_after_the_delay) {
    scripted_network network;
    network.addresses = {"1.1.1.1", "2.2.2.2", "3.3.3.3"};
    network.connects = {{"1.1.1.1", {1s}}, {"2.2.2.2", {1s}}, {"3.3.3.3", {200ms}}};
    const net::tcp_stream stream = open_tcp_stream("host", 80);
    EXPECT_EQ(stream.remote_endpoint().address(), "3.3.3.3");
    EXPECT_THAT(times_of(network), ElementsAre(0ms, 250ms, 500ms));
    EXPECT_EQ(network.elapsed(), 700ms);
    EXPECT_EQ(network.open_sockets, 1) << "the losers are closed";
}

TOMBOLO_TEST(open_tcp_stream, lets_an_early_attempt_win_late) {
    scripted_network network;
    network.addresses = {"1.1.1.1", "2.2.2.2", "3.3.3.3"};
    network.connects = {{"1.1.1.1", {650ms}}, {"2.2.2.2", {1s}}, {"3.3.3.3", {1s}}};
    const net::tcp_stream stream = open_tcp_stream("host", 80);
    EXPECT_EQ(stream.remote_endpoint().address(), "1.1.1.1");
    EXPECT_EQ(network.elapsed(), 650ms);
    EXPECT_EQ(network.open_sockets, 1);
}

TOMBOLO_TEST(open_tcp_stream, takes_another_delay) {
    scripted_network network;
    network.addresses = {"1.1.1.1", "2.2.2.2", "3.3.3.3"};
    network.connects = {{"1.1.1.1", {1s}}, {"2.2.2.2", {1s}}, {"3.3.3.3", {100ms}}};
    const net::tcp_stream stream = open_tcp_stream("host", 80, {.happy_eyeballs_delay = 450ms});
    EXPECT_THAT(times_of(network), ElementsAre(0ms, 450ms, 900ms));
    EXPECT_EQ(network.elapsed(), 1s) << "two have succeeded at the same time";
    EXPECT_EQ(network.open_sockets, 1);
}

TOMBOLO_TEST(open_tcp_stream, begins_the_next_attempt_when_one_fails) {
    scripted_network network;
    network.addresses = {"1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"};
    network.connects = {
        {"1.1.1.1", {100ms, ECONNREFUSED}},
        {"2.2.2.2", {200ms, ECONNREFUSED}},
        {"3.3.3.3", {10s, ETIMEDOUT}},
        {"4.4.4.4", {250ms}}};
    const net::tcp_stream stream = open_tcp_stream("host", 80);
    EXPECT_EQ(stream.remote_endpoint().address(), "4.4.4.4");
    EXPECT_THAT(times_of(network), ElementsAre(0ms, 100ms, 300ms, 550ms));
    EXPECT_EQ(network.elapsed(), 800ms);
    EXPECT_EQ(network.open_sockets, 1);
}

TOMBOLO_TEST(open_tcp_stream, throws_the_errors_of_all_attempts_when_all_fail) {
    scripted_network network;
    network.addresses = {"1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"};
    network.connects = {
        {"1.1.1.1", {100ms, ECONNREFUSED}},
        {"2.2.2.2", {200ms, EHOSTUNREACH}},
        {"3.3.3.3", {10s, ETIMEDOUT}},
        {"4.4.4.4", {250ms, ENETUNREACH}}};
    const std::exception_ptr failure = connect_failure();
    EXPECT_EQ(network.elapsed(), 10300ms);
    EXPECT_TRUE(holds<io_error>(failure));
    EXPECT_THAT(errors_in(failure), ElementsAre(ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT));
    EXPECT_EQ(caught(failure).number(), ECONNREFUSED);
    EXPECT_THAT(caught(failure).what(), HasSubstr("none of the 4 addresses of host, port 80"));
    EXPECT_THAT(caught(failure).what(), HasSubstr("3.3.3.3:80"));
    EXPECT_EQ(network.open_sockets, 0);
}

TOMBOLO_TEST(open_tcp_stream, lets_the_families_take_turns) {
    scripted_network network;
    network.addresses = {"1.1.1.1", "2.2.2.2", "3.3.3.3", "::4", "::5"};
    for (const std::string& each : network.addresses) network.connects[each] = {10ms, ECONNREFUSED};
    EXPECT_TRUE(connect_failure());
    EXPECT_THAT(order_of(network), ElementsAre("1.1.1.1", "::4", "2.2.2.2", "::5", "3.3.3.3"));
}

TOMBOLO_TEST(open_tcp_stream, tries_one_address_at_a_time_when_told_to) {
    scripted_network network;
    network.addresses = {"1.1.1.1", "2.2.2.2", "3.3.3.3"};
    network.connects = {{"1.1.1.1", {60s, ETIMEDOUT}}, {"2.2.2.2", {1s, ECONNREFUSED}}, {"3.3.3.3", {5s}}};
    const net::tcp_stream stream = open_tcp_stream("host", 80, {.sequential = true});
    EXPECT_THAT(times_of(network), ElementsAre(0s, 60s, 61s));
    EXPECT_EQ(network.elapsed(), 66s);
    EXPECT_EQ(network.open_sockets, 1);
}

TOMBOLO_TEST(open_tcp_stream, goes_on_at_once_when_a_family_is_missing) {
    scripted_network network;
    network.addresses = {"::1:1", "2.2.2.2", "::3"};
    network.missing_families = {net::family::ipv6};
    network.connects["2.2.2.2"] = {100ms};
    const net::tcp_stream stream = open_tcp_stream("host", 80);
    EXPECT_EQ(stream.remote_endpoint().address(), "2.2.2.2");
    EXPECT_EQ(network.elapsed(), 100ms);
}

TOMBOLO_TEST(open_tcp_stream, says_so_when_the_only_family_is_missing) {
    scripted_network network;
    network.addresses = {"1.1.1.1", "2.2.2.2"};
    network.missing_families = {net::family::ipv4};
    EXPECT_THAT(errors_in(connect_failure()), ElementsAre(EAFNOSUPPORT, EAFNOSUPPORT));
    EXPECT_EQ(network.elapsed(), 0s);
    EXPECT_EQ(network.open_sockets, 0);
}

TOMBOLO_TEST(open_tcp_stream, cancelled_closes_all_attempts) {
    scripted_network network;
    network.addresses = {"1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"};
    for (const std::string& each : network.addresses) network.connects[each] = {10s};
    EXPECT_FALSE(move_on_after(600ms, [] { static_cast<void>(open_tcp_stream("host", 80)); }));
    EXPECT_EQ(network.connected.size(), 3U);
    EXPECT_EQ(network.elapsed(), 600ms);
    EXPECT_EQ(network.open_sockets, 0);
}

TOMBOLO_TEST(open_tcp_stream, cancelled_at_any_time_leaks_nothing) {
    for (duration at = 0ms; at <= 1s; at += 50ms) {
        scripted_network network;
        network.addresses = {"1.1.1.1", "2.2.2.2", "3.3.3.3"};
        network.connects = {{"1.1.1.1", {700ms}}, {"2.2.2.2", {100ms, ECONNREFUSED}}, {"3.3.3.3", {100ms}}};
        std::optional<net::tcp_stream> stream;
        const bool finished = move_on_after(at, [&] { stream = open_tcp_stream("host", 80); });
        EXPECT_EQ(network.open_sockets, stream ? 1 : 0) << at.count();
        EXPECT_EQ(finished, stream.has_value());
        if (at != 450ms) {  // when it succeeds
            EXPECT_EQ(finished, at > 450ms) << at.count();
        }
        stream.reset();
        EXPECT_EQ(network.open_sockets, 0);
    }
}

TOMBOLO_TEST(open_tcp_stream, failing_after_the_connect_leaks_no_socket) {
    scripted_network network;
    network.addresses = {"1.1.1.1", "2.2.2.2"};
    network.connects["1.1.1.1"] = {100ms};
    network.on_option = [](int, int) { throw std::domain_error("not that one"); };
    const std::exception_ptr failure = connect_failure();
    EXPECT_TRUE(group_in(failure).contains<std::domain_error>());
    EXPECT_EQ(network.open_sockets, 0);
}

TOMBOLO_TEST(open_tcp_stream, keeps_one_of_several_that_succeed_together) {
    scripted_network network;
    network.addresses = {"1.1.1.1", "2.2.2.2", "3.3.3.3"};
    network.connects = {{"1.1.1.1", {500ms}}, {"2.2.2.2", {250ms}}, {"3.3.3.3", {0ms}}};
    const net::tcp_stream stream = open_tcp_stream("host", 80);
    EXPECT_EQ(network.elapsed(), 500ms);
    EXPECT_GE(network.won.size(), 1U);
    EXPECT_EQ(network.open_sockets, 1);
}

TOMBOLO_TEST(open_tcp_stream, starts_from_the_local_address) {
    scripted_network network;
    network.addresses = {"::1", "1.1.1.1", "2.2.2.2"};
    const net::tcp_stream stream = open_tcp_stream("host", 80, {.local_address = "127.0.0.2"});
    EXPECT_THAT(network.bound, ElementsAre("127.0.0.2"));
    EXPECT_THAT(order_of(network), ElementsAre("1.1.1.1")) << "the other family cannot start there";
    EXPECT_EQ(stream.local_endpoint().address(), "127.0.0.2");
}

TOMBOLO_TEST(open_tcp_stream, names_the_local_address_that_it_cannot_have) {
    scripted_network network;
    network.addresses = {"1.1.1.1", "::1"};
    network.bind_errors["9.9.9.9"] = EADDRNOTAVAIL;
    const std::exception_ptr failure = connect_failure({.local_address = "9.9.9.9"});
    EXPECT_THAT(errors_in(failure), ElementsAre(EADDRNOTAVAIL, EAFNOSUPPORT));
    EXPECT_THAT(caught(failure).what(), HasSubstr("9.9.9.9"));
    EXPECT_EQ(network.open_sockets, 0);
}

TOMBOLO_TEST(open_tcp_stream, refuses_bad_input_before_it_asks_anybody) {
    EXPECT_THROW(static_cast<void>(open_tcp_stream("host", 65536)), net::invalid_address);
    EXPECT_THROW(static_cast<void>(open_tcp_stream("host", -1)), net::invalid_address);
    EXPECT_THROW(static_cast<void>(open_tcp_stream(std::string_view("ho\0st", 5), 1)), net::invalid_address);
    EXPECT_THROW(static_cast<void>(open_tcp_stream("host", 1, {.local_address = "here"})), net::invalid_address);
    EXPECT_THROW(static_cast<void>(open_tcp_stream("host", 1, {.happy_eyeballs_delay = -1ms})), invalid_duration);
}

}  // namespace
}  // namespace tombolo::testing
