#include <tombolo/fibers/net/endpoint.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>

namespace tombolo::net {
namespace {

using ::testing::HasSubstr;

std::string refusal(const std::function<void()>& f) {
    try {
        f();
    } catch (const invalid_address& error) {
        return error.what();
    }
    return "";
}

TEST(endpoint, reads_and_prints_both_numeric_families) {
    const endpoint v4("192.0.2.7", 80);
    EXPECT_EQ(v4.family(), family::ipv4);
    EXPECT_EQ(v4.port(), 80);
    EXPECT_EQ(v4.address(), "192.0.2.7");
    EXPECT_EQ(v4.to_string(), "192.0.2.7:80");
    EXPECT_EQ(v4.size(), 16u);

    const endpoint v6("2001:db8::1", 443);
    EXPECT_EQ(v6.family(), family::ipv6);
    EXPECT_EQ(v6.to_string(), "[2001:db8::1]:443");
    EXPECT_EQ(v6.with_port(1).to_string(), "[2001:db8::1]:1");
    EXPECT_EQ(v4.with_port(65535).port(), 65535);
}

TEST(endpoint, keeps_the_zone_of_a_link_local_address) {
    EXPECT_EQ(endpoint("fe80::1%lo", 1).to_string(), "[fe80::1%lo]:1");
    EXPECT_EQ(endpoint("fe80::1%4242", 1).address(), "fe80::1%4242");
    EXPECT_THAT(refusal([] { endpoint("fe80::1%no_such_interface", 1); }), HasSubstr("names no network interface"));
    EXPECT_THAT(refusal([] { endpoint("fe80::1%0", 1); }), HasSubstr("names no network interface"));
}

TEST(endpoint, refuses_names_and_says_who_resolves_them) {
    EXPECT_THAT(refusal([] { endpoint(std::string_view("127.0.0.1\0x", 11), 1); }), HasSubstr("zero byte"));
    for (const char* text : {"localhost", "", "256.0.0.1", "1.2.3", "::g", "127.0.0.1%lo"})
        EXPECT_THAT(refusal([&] { endpoint(text, 1); }), HasSubstr("net::resolve")) << text;
}

TEST(endpoint, has_paths_and_abstract_names) {
    const endpoint path = endpoint::local("/run/it");
    EXPECT_EQ(path.family(), family::local);
    EXPECT_EQ(path.address(), "/run/it");
    EXPECT_EQ(path.to_string(), "unix:/run/it");
    const endpoint name = endpoint::local(std::string("\0hidden", 7));
    EXPECT_EQ(name.address(), std::string("\0hidden", 7));
    EXPECT_EQ(name.to_string(), "unix:@hidden");
    EXPECT_EQ(endpoint::local(std::string(107, 'p')).address().size(), 107u);
    EXPECT_THAT(refusal([] { endpoint::local(std::string(108, 'p')); }), HasSubstr("107 bytes"));
    EXPECT_THAT(refusal([] { endpoint::local(""); }), HasSubstr("empty"));
    EXPECT_THAT(refusal([] { endpoint::local(std::string("a\0b", 3)); }), HasSubstr("zero byte"));
    EXPECT_THAT(refusal([&] { static_cast<void>(path.with_port(1)); }), HasSubstr("has no port"));
}

TEST(endpoint, knows_loopback_addresses) {
    EXPECT_TRUE(endpoint("127.1.2.3", 1).is_loopback());
    EXPECT_TRUE(endpoint("::1", 1).is_loopback());
    EXPECT_TRUE(endpoint("::ffff:127.0.0.1", 1).is_loopback());
    EXPECT_FALSE(endpoint("128.0.0.1", 1).is_loopback());
    EXPECT_FALSE(endpoint("::2", 1).is_loopback());
    EXPECT_EQ(endpoint::loopback(family::ipv6, 5), endpoint("::1", 5));
    EXPECT_EQ(endpoint::any(family::ipv4, 5), endpoint("0.0.0.0", 5));
    EXPECT_THAT(refusal([] { endpoint::any(family::local, 5); }), HasSubstr("ipv4 and ipv6"));
}

TEST(endpoint, none_is_none) {
    EXPECT_FALSE(endpoint());
    EXPECT_EQ(endpoint().to_string(), "(none)");
    EXPECT_EQ(endpoint(), endpoint::from_raw(nullptr, 0));
    EXPECT_NE(endpoint("127.0.0.1", 1), endpoint("127.0.0.1", 2));
    char big[129] = {};
    EXPECT_THAT(refusal([&] { static_cast<void>(endpoint::from_raw(big, sizeof big)); }), HasSubstr("at most 128"));
}

}  // namespace
}  // namespace tombolo::net
