#include <tombolo/fibers/net/resolve.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <netdb.h>

// Names that need no network, and those that a resolver of the test answers.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using net::endpoint;
using net::family;
using net::resolve;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// Notes what it is asked.
class noting_resolver final : public net::resolver {
public:
    noting_resolver() : before_(net::set_resolver(this)) {}
    noting_resolver(const noting_resolver&) = delete;
    noting_resolver& operator=(const noting_resolver&) = delete;
    ~noting_resolver() override { EXPECT_EQ(net::set_resolver(before_), this); }

    std::vector<endpoint> resolve(
        std::string_view host, std::uint16_t port, const net::resolve_options& options) override {
        sleep_for(takes);
        asked.push_back(std::string(host) + ":" + std::to_string(port));
        last_options = options;
        if (host == "broken") throw std::domain_error("a bug of the resolver");
        if (host == "nobody") return {};
        return {{"192.0.2.1", port}};
    }

    std::vector<std::string> asked;
    net::resolve_options last_options;
    duration takes = duration::zero();

private:
    net::resolver* before_;
};

int code_of(const std::function<void()>& f) {
    try {
        f();
    } catch (const net::resolve_error& error) {
        return error.code();
    }
    return 0;
}

TOMBOLO_TEST(resolve, takes_numeric_addresses_without_asking_anybody) {
    const noting_resolver resolver;
    EXPECT_THAT(resolve("127.0.0.1", 80), ElementsAre(endpoint("127.0.0.1", 80)));
    EXPECT_THAT(resolve("::1", 0), ElementsAre(endpoint("::1", 0)));
    EXPECT_THAT(resolve("1.2.3.4", "8080"), ElementsAre(endpoint("1.2.3.4", 8080)));
    EXPECT_THAT(resolver.asked, IsEmpty());
}

TOMBOLO_TEST(resolve, knows_the_hosts_that_are_no_names) {
    const noting_resolver resolver;
    EXPECT_THAT(resolve("", 1), ElementsAre(endpoint("127.0.0.1", 1), endpoint("::1", 1)));
    EXPECT_THAT(resolve("", 1, {.passive = true}), ElementsAre(endpoint("0.0.0.0", 1), endpoint("::", 1)));
    EXPECT_THAT(resolve("", 1, {.family = family::ipv6}), ElementsAre(endpoint("::1", 1)));
    EXPECT_THAT(resolve("<broadcast>", 1), ElementsAre(endpoint("255.255.255.255", 1)));
    EXPECT_THAT(resolver.asked, IsEmpty());
}

TOMBOLO_TEST(resolve, asks_the_resolver_of_the_run_for_names) {
    noting_resolver resolver;
    EXPECT_THAT(resolve("host", 80), ElementsAre(endpoint("192.0.2.1", 80)));
    EXPECT_THAT(resolve("1.2.3", 1, {.family = family::ipv4, .type = net::socket_type::datagram}), Not(IsEmpty()));
    EXPECT_THAT(resolver.asked, ElementsAre("host:80", "1.2.3:1"));
    EXPECT_EQ(resolver.last_options.family, family::ipv4);
    EXPECT_EQ(resolver.last_options.type, net::socket_type::datagram);
}

TOMBOLO_TEST(resolve, finds_the_port_of_a_service_by_its_name) {
    noting_resolver resolver;
    EXPECT_THAT(resolve("::1", "https"), ElementsAre(endpoint("::1", 443)));
    EXPECT_THAT(resolve("host", "https"), ElementsAre(endpoint("192.0.2.1", 443)));
    EXPECT_THAT(resolver.asked, ElementsAre("host:443"));
    EXPECT_EQ(code_of([] { static_cast<void>(resolve("::1", "no-such-service")); }), EAI_SERVICE);
}

TOMBOLO_TEST(resolve, asks_the_system_when_the_run_has_no_resolver) {
    EXPECT_THAT(resolve("localhost", 80, {.family = family::ipv4}), ElementsAre(endpoint("127.0.0.1", 80)));
}

TOMBOLO_TEST(resolve, says_what_it_could_not_resolve_and_why) {
    const noting_resolver resolver;
    EXPECT_EQ(code_of([] { static_cast<void>(resolve("nobody", 80)); }), EAI_NONAME);
    EXPECT_THAT(
        text_of<net::resolve_error>([] { static_cast<void>(resolve("nobody", 80)); }),
        HasSubstr("resolve \"nobody\": Name or service not known"));
    EXPECT_EQ(code_of([] { static_cast<void>(resolve("::1", 1, {.family = family::ipv4})); }), EAI_FAMILY);
}

TOMBOLO_TEST(resolve, passes_on_what_the_resolver_throws) {
    const noting_resolver resolver;
    EXPECT_THROW(static_cast<void>(resolve("broken", 80)), std::domain_error);
}

TOMBOLO_TEST(resolve, can_be_cancelled_while_the_resolver_thinks) {
    noting_resolver resolver;
    resolver.takes = 1h;
    EXPECT_FALSE(move_on_after(1s, [] { static_cast<void>(resolve("host", 80)); }));
    EXPECT_THAT(resolver.asked, IsEmpty());
}

TOMBOLO_TEST(resolve, refuses_what_no_resolver_could_know) {
    const noting_resolver resolver;
    EXPECT_THROW(static_cast<void>(resolve("host", -1)), net::invalid_address);
    EXPECT_THROW(static_cast<void>(resolve("host", 65536)), net::invalid_address);
    EXPECT_THROW(static_cast<void>(resolve("host", "65536")), net::invalid_address);
    EXPECT_THROW(static_cast<void>(resolve(std::string_view("a\0b", 3), 1)), net::invalid_address);
    EXPECT_THROW(static_cast<void>(resolve("host", 1, {.family = family::local})), net::invalid_address);
    EXPECT_THROW(static_cast<void>(net::resolve_name(endpoint::local("/tmp/x"))), net::invalid_address);
    EXPECT_THAT(resolver.asked, IsEmpty());
}

TOMBOLO_TEST(resolve, has_another_resolver_in_each_run) {
    const noting_resolver resolver;
    EXPECT_THAT(resolve("host", 1), Not(IsEmpty()));
    EXPECT_EQ(net::set_resolver(nullptr), &resolver);
    EXPECT_EQ(net::set_resolver(const_cast<noting_resolver*>(&resolver)), nullptr);
}

TEST(set_resolver, needs_a_run) { EXPECT_THROW(net::set_resolver(nullptr), not_in_run); }

TOMBOLO_TEST(resolve_name, gives_a_name_or_the_number) {
    EXPECT_THAT(net::resolve_name({"127.0.0.1", 80}), Not(IsEmpty()));
}

}  // namespace
}  // namespace tombolo::testing
