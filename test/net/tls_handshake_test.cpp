#include "test/fibers/thrown.hpp"
#include "test/net/tls_pair.hpp"

#include <tombolo/fibers/net/tls_context.hpp>
#include <tombolo/fibers/net/tls_stream.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace tombolo::testing {
namespace {

using namespace net;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TOMBOLO_TEST(tls_handshake, happens_at_the_first_call_that_needs_it) {
    tls_pair ends;
    EXPECT_FALSE(ends.client.is_handshake_done());
    EXPECT_EQ(ends.client_transport.sends, 0);
    both([&] { ends.client.send_all("hello"); }, [&] { EXPECT_EQ(receive_exactly(ends.server, 5), "hello"); });
    EXPECT_TRUE(ends.client.is_handshake_done());
    EXPECT_TRUE(ends.server.is_handshake_done());
}

TOMBOLO_TEST(tls_handshake, is_done_once_and_who_comes_second_waits) {
    tls_pair ends;
    int done = 0;
    const auto shake = [&] {
        ends.client.do_handshake();
        EXPECT_TRUE(ends.client.is_handshake_done());
        ++done;
    };
    open_nursery([&](nursery& n) {
        for (int i = 0; i < 3; ++i) n.start_soon(shake);
        n.start_soon([&] { ends.client.send_all("x"); });
        wait_all_tasks_blocked();
        EXPECT_EQ(done, 0);
        EXPECT_EQ(receive_exactly(ends.server, 1), "x");
    });
    EXPECT_EQ(done, 3);
    const int sends = ends.client_transport.sends;
    ends.client.do_handshake();
    EXPECT_EQ(ends.client_transport.sends, sends);
}

TOMBOLO_TEST(tls_handshake, tells_all_who_wait_for_it_that_it_failed) {
    tls_pair ends({.client_stream = {.server_hostname = "elsewhere.example"}});
    int broken = 0;
    const auto wait_with = [&](const std::function<void()>& call) {
        EXPECT_THAT(text_of<broken_stream>(call), HasSubstr("is not accepted"));
        ++broken;
    };
    open_nursery([&](nursery& n) {
        n.start_soon([&] { static_cast<void>(text_of<certificate_rejected>([&] { ends.client.do_handshake(); })); });
        wait_all_tasks_blocked();
        n.start_soon([&] { wait_with([&] { ends.client.send_all("x"); }); });
        n.start_soon([&] { wait_with([&] { ends.client.do_handshake(); }); });
        wait_all_tasks_blocked();
        n.start_soon([&] { static_cast<void>(text_of<tls_error>([&] { ends.server.do_handshake(); })); });
    });
    EXPECT_EQ(broken, 2);
}

TOMBOLO_TEST(tls_handshake, answers_questions_only_when_it_is_done) {
    tls_pair ends;
    EXPECT_THAT(
        text_of<need_handshake>([&] { static_cast<void>(ends.client.version()); }), HasSubstr("tls_stream::version"));
    EXPECT_THROW(static_cast<void>(ends.client.cipher()), need_handshake);
    EXPECT_THROW(static_cast<void>(ends.client.alpn()), need_handshake);
    EXPECT_THROW(static_cast<void>(ends.client.peer_certificate()), need_handshake);
    EXPECT_THROW(static_cast<void>(ends.server.server_name()), need_handshake);
    ends.shake_hands();
    EXPECT_EQ(ends.client.version(), "TLSv1.3");
    EXPECT_THAT(ends.client.cipher(), StartsWith("TLS_"));
    EXPECT_EQ(ends.client.alpn(), "");
    EXPECT_EQ(ends.client.peer_certificate(), localhost_certificate().certificate_text());
    EXPECT_EQ(ends.server.peer_certificate(), "");
    EXPECT_EQ(ends.server.server_name(), "localhost");
    ends.client.close();
    EXPECT_THROW(static_cast<void>(ends.client.version()), closed_resource);
    EXPECT_THROW(static_cast<void>(tls_stream().version()), closed_resource);
}

TOMBOLO_TEST(tls_handshake, agrees_on_the_servers_favourite_protocol) {
    tls_pair ends(
        {.client = trusting_client({.alpn = {"http/1.1", "h2"}}),
         .server = localhost_server({.alpn = {"h2", "http/1.1"}})});
    ends.shake_hands();
    EXPECT_EQ(ends.client.alpn(), "h2");
    EXPECT_EQ(ends.server.alpn(), "h2");

    tls_pair silent({.server = localhost_server({.alpn = {"h2"}})});
    silent.shake_hands();
    EXPECT_EQ(silent.client.alpn(), "");
}

/// What each side is told when the handshake fails.
struct told {
    std::string client;
    std::string server;
};

template <class ClientError = tls_error, class ServerError = tls_error>
told failed_handshake(tls_pair& ends) {
    told texts;
    both(
        [&] {
            texts.client = text_of<ClientError>([&] {
                ends.client.do_handshake();
                std::string room(1, ' ');
                ends.client.receive_some(room);
            });
        },
        [&] {
            texts.server = text_of<ServerError>([&] {
                ends.server.do_handshake();
                std::string room(1, ' ');
                ends.server.receive_some(room);
            });
        });
    return texts;
}

TOMBOLO_TEST(tls_handshake, refuses_protocols_that_only_one_side_speaks) {
    tls_pair ends({.client = trusting_client({.alpn = {"spdy"}}), .server = localhost_server({.alpn = {"h2"}})});
    const told texts = failed_handshake(ends);
    EXPECT_THAT(texts.client, HasSubstr("see the option alpn"));
    EXPECT_THAT(texts.server, HasSubstr("see the option alpn"));
}

TOMBOLO_TEST(tls_handshake, speaks_either_version_and_says_when_there_is_none_in_common) {
    tls_pair old({.client = trusting_client({.maximum_version = tls_version::tls_1_2})});
    old.shake_hands();
    EXPECT_EQ(old.server.version(), "TLSv1.2");

    tls_pair apart(
        {.client = trusting_client({.maximum_version = tls_version::tls_1_2}),
         .server = localhost_server({.minimum_version = tls_version::tls_1_3})});
    const told texts = failed_handshake(apart);
    EXPECT_THAT(texts.client, HasSubstr("no version of TLS in common"));
    EXPECT_THAT(texts.server, HasSubstr("no version of TLS in common"));
}

TOMBOLO_TEST(tls_handshake, verifies_the_name_and_says_for_which_the_certificate_is) {
    tls_pair ends({.client_stream = {.server_hostname = "elsewhere.example"}});
    const told texts = failed_handshake<certificate_rejected>(ends);
    EXPECT_THAT(texts.client, HasSubstr("the certificate of \"elsewhere.example\" is not accepted"));
    EXPECT_THAT(texts.client, HasSubstr("It is for localhost"));
    EXPECT_THAT(texts.server, HasSubstr("does not accept our certificate"));
    EXPECT_THROW(ends.client.send_all("x"), broken_stream);
}

TOMBOLO_TEST(tls_handshake, takes_no_common_name_for_a_host_name) {
    const auto nameless = test_authority().issue({.common_name = "localhost", .names = {}});
    tls_pair ends({.server = tls_context::server(nameless.certificate(), nameless.key())});
    EXPECT_THAT(failed_handshake<certificate_rejected>(ends).client, HasSubstr("no host name at all"));
}

TOMBOLO_TEST(tls_handshake, takes_addresses_and_absolute_names) {
    for (const char* name : {"127.0.0.1", "::1", "localhost.", "LOCALHOST"}) {
        tls_pair ends({.client_stream = {.server_hostname = name}});
        ends.shake_hands();
        EXPECT_TRUE(ends.client.is_handshake_done()) << name;
    }
    tls_pair other({.client_stream = {.server_hostname = "127.0.0.2"}});
    EXPECT_THAT(failed_handshake<certificate_rejected>(other).client, HasSubstr("IP address mismatch"));
}

TOMBOLO_TEST(tls_handshake, refuses_certificates_that_are_out_of_date_or_of_unknown_origin) {
    using std::chrono::hours;
    const auto with = [](const certified_key& certificate, const tls_context& client) {
        tls_pair ends({.client = client, .server = tls_context::server(certificate.certificate(), certificate.key())});
        return failed_handshake<certificate_rejected>(ends);
    };
    const auto expired = test_authority().issue({.valid_from = hours(-48), .valid_until = hours(-24)});
    EXPECT_THAT(with(expired, trusting_client()).client, HasSubstr("has expired"));
    EXPECT_THAT(with(expired, trusting_client()).client, HasSubstr("renewed"));
    const auto early = test_authority().issue({.valid_from = hours(24), .valid_until = hours(48)});
    EXPECT_THAT(with(early, trusting_client()).client, HasSubstr("not yet valid"));

    const certified_key lonely{certificate_wishes{}};
    EXPECT_THAT(with(lonely, trusting_client()).client, HasSubstr("name it in the option authorities"));
    const certified_key other({.common_name = "another authority", .names = {}, .is_authority = true});
    const told texts = with(other.issue(), trusting_client());
    EXPECT_THAT(texts.client, HasSubstr("name it in the option authorities"));
    EXPECT_THAT(texts.server, HasSubstr("does not trust who signed our certificate"));
    EXPECT_THAT(with(other.issue(), tls_context::client()).client, HasSubstr("Who signed it is not trusted here"));
}

TOMBOLO_TEST(tls_handshake, trusts_what_it_is_told_to) {
    const certified_key lonely{certificate_wishes{}};
    const auto server = tls_context::server(lonely.certificate(), lonely.key());
    tls_pair pinned({.client = tls_context::client({.authorities = {lonely.certificate()}}), .server = server});
    pinned.shake_hands();
    tls_pair blind(
        {.client = tls_context::client({.verify_certificate = false}), .server = server, .client_stream = {}});
    blind.shake_hands();
    tls_pair nameless(
        {.client = trusting_client({.verify_hostname = false}), .client_stream = {.server_hostname = "x.example"}});
    nameless.shake_hands();
    EXPECT_EQ(nameless.server.server_name(), "x.example");
}

TOMBOLO_TEST(tls_handshake, verifies_a_chain_through_an_intermediate_authority) {
    const auto between = test_authority().issue({.common_name = "between", .names = {}, .is_authority = true});
    const auto leaf = between.issue();
    const pem chain = pem::text(leaf.certificate_text() + between.certificate_text());
    tls_pair whole({.server = tls_context::server(chain, leaf.key())});
    whole.shake_hands();
    tls_pair cut({.server = tls_context::server(leaf.certificate(), leaf.key())});
    EXPECT_THAT(failed_handshake<certificate_rejected>(cut).client, HasSubstr("send its whole chain"));
}

TOMBOLO_TEST(tls_handshake, shows_the_clients_certificate_to_servers_that_ask) {
    const auto mine = test_authority().issue({.common_name = "a client", .names = {}});
    const auto with = trusting_client({.certificate = mine.certificate(), .key = mine.key()});
    const tls_server_options asking{
        .verify_clients = client_certificates::required, .authorities = {test_authority().certificate()}};
    for (const tls_version version : {tls_version::tls_1_2, tls_version::tls_1_3}) {
        tls_server_options options = asking;
        options.maximum_version = version;
        tls_pair known({.client = with, .server = localhost_server(options)});
        known.shake_hands();
        EXPECT_EQ(known.server.peer_certificate(), mine.certificate_text());

        tls_pair unknown({.server = localhost_server(options)});
        const told texts = failed_handshake(unknown);
        EXPECT_THAT(texts.server, HasSubstr("The client has no certificate"));
        EXPECT_THAT(texts.client, HasSubstr("certificate of the client"));

        options.verify_clients = client_certificates::optional;
        tls_pair guest({.server = localhost_server(options)});
        guest.shake_hands();
        EXPECT_EQ(guest.server.peer_certificate(), "");
    }
    const certified_key lonely({.common_name = "nobody", .names = {}});
    tls_pair stranger(
        {.client = trusting_client({.certificate = lonely.certificate(), .key = lonely.key()}),
         .server = localhost_server(asking)});
    EXPECT_THAT(
        (failed_handshake<tls_error, certificate_rejected>(stranger).server),
        HasSubstr("the certificate of the other side"));
}

TOMBOLO_TEST(tls_handshake, says_when_the_other_side_speaks_no_tls) {
    auto [near, far] = unix_stream::pair();
    tls_stream client(std::move(near), trusting_client(), {.server_hostname = "localhost"});
    far.send_all("220 mail.example ESMTP\r\n");
    EXPECT_THAT(text_of<tls_error>([&] { client.do_handshake(); }), HasSubstr("does not seem to speak TLS"));

    auto [plain, taken] = unix_stream::pair();
    tls_stream server(std::move(taken), localhost_server());
    plain.send_all("GET / HTTP/1.1\r\n\r\n");
    EXPECT_THAT(text_of<tls_error>([&] { server.do_handshake(); }), HasSubstr("plain HTTP"));
}

TOMBOLO_TEST(tls_handshake, takes_a_good_bye_in_plain_text_for_no_end) {
    const std::vector<std::function<void(tls_stream&)>> calls{
        [](tls_stream& client) { client.do_handshake(); },
        [](tls_stream& client) {
            char byte;
            client.receive_some({&byte, 1});
        },
        [](tls_stream& client) { client.send_all("x"); }};
    for (const bool https_compatible : {false, true}) {
        for (const auto& call : calls) {
            auto [near, far] = unix_stream::pair();
            tls_stream client(
                std::move(near), trusting_client(),
                {.server_hostname = "localhost", .https_compatible = https_compatible});
            far.send_all(const_bytes("\x15\x03\x03\x00\x02\x01\x00", 7));  // a warning: close_notify
            EXPECT_THAT(
                text_of<tls_error>([&] { call(client); }),
                HasSubstr("the other side said good-bye during the handshake"));
            EXPECT_FALSE(client.is_handshake_done());
            EXPECT_THROW(call(client), broken_stream);
        }
    }
}

TOMBOLO_TEST(tls_handshake, fails_when_the_connection_ends_before_it) {
    auto [near, far] = unix_stream::pair();
    tls_stream client(std::move(near), trusting_client(), {.server_hostname = "localhost"});
    far.send_eof();
    EXPECT_THAT(text_of<tls_error>([&] { client.do_handshake(); }), HasSubstr("without TLS's good-bye"));

    auto [browser, gone] = unix_stream::pair();
    tls_stream lenient(
        std::move(browser), trusting_client(), {.server_hostname = "localhost", .https_compatible = true});
    gone.send_eof();
    char byte;
    EXPECT_EQ(lenient.receive_some({&byte, 1}), 0U);
    EXPECT_EQ(lenient.receive_some({&byte, 1}), 0U);
}

TOMBOLO_TEST(tls_stream, refuses_names_that_cannot_be_verified) {
    const auto open = [](const std::string& name, const tls_context& context) {
        auto [near, far] = unix_stream::pair();
        const tls_stream made(std::move(near), context, {.server_hostname = name});
    };
    EXPECT_THAT(text_of<usage_error>([&] { open("", trusting_client()); }), HasSubstr("set server_hostname"));
    EXPECT_THAT(text_of<usage_error>([&] { open("localhost", localhost_server()); }), HasSubstr("is for clients"));
    for (const std::string& name : std::vector<std::string>{
             "b\xc3\xbc"
             "cher.example",
             "[::1]", "a b", ".", "localhost:443", std::string("a\0b", 3)})
        EXPECT_THAT(text_of<usage_error>([&] { open(name, trusting_client()); }), HasSubstr("neither a host name nor"))
            << name;
    EXPECT_THROW(tls_stream(std::unique_ptr<stream>(), trusting_client()), usage_error);
}

}  // namespace
}  // namespace tombolo::testing
