#include <tombolo/fibers/net/tls_stream.hpp>

#include "test/fibers/thrown.hpp"
#include "test/net/tls_pair.hpp"

#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <string>

namespace tombolo::testing {
namespace {

using namespace net;
using ::testing::HasSubstr;

static_assert(is_stream<tls_stream>);

constexpr std::size_t mebibyte = 1024 * 1024;

tls_pair_options with_version(tls_version version) {
    return {.client = trusting_client({.minimum_version = version, .maximum_version = version})};
}

/// A mebibyte each way at the same time.
void exchange(tls_stream& one, tls_stream& other) {
    const std::string there = pattern(mebibyte, 1);
    const std::string back = pattern(mebibyte, 2);
    const auto work = [](tls_stream& end, const std::string& sent, const std::string& expected) {
        both([&] { end.send_all(sent); }, [&] { EXPECT_TRUE(receive_exactly(end, expected.size()) == expected); });
    };
    both([&] { work(one, there, back); }, [&] { work(other, back, there); });
}

TOMBOLO_TEST(tls_stream, carries_a_mebibyte_each_way_at_once) {
    for (const tls_version version : {tls_version::tls_1_2, tls_version::tls_1_3}) {
        tls_pair ends(with_version(version));
        exchange(ends.client, ends.server);
        exchange(ends.client, ends.server);
    }
}

TOMBOLO_TEST(tls_stream, sends_several_buffers_in_one_go) {
    tls_pair ends;
    ends.shake_hands();
    const int before = ends.client_transport.sends;
    const std::array<const_bytes, 4> parts{"one ", "", "two ", "three"};
    both([&] { ends.client.send_all(parts); }, [&] { EXPECT_EQ(receive_exactly(ends.server, 13), "one two three"); });
    EXPECT_EQ(ends.client_transport.sends, before + 1);
}

TOMBOLO_TEST(tls_stream, only_checks_when_it_sends_nothing) {
    tls_pair ends;
    ends.shake_hands();
    const int before = ends.client_transport.sends;
    assert_checkpoints([&] { ends.client.send_all(""); });
    EXPECT_EQ(ends.client_transport.sends, before);
    ends.client.close();
    EXPECT_THROW(ends.client.send_all(""), closed_resource);
}

TOMBOLO_TEST(tls_stream, refuses_an_empty_buffer_to_receive_into) {
    tls_pair ends;
    EXPECT_THROW(ends.client.receive_some({}), invalid_count);
    EXPECT_EQ(ends.client_transport.sends, 0);
}

TOMBOLO_TEST(tls_stream, refuses_a_second_task_in_the_same_direction) {
    tls_pair ends;
    ends.shake_hands();
    open_nursery([&](nursery& n) {
        n.start_soon([&] { receive_exactly(ends.client, 1); });
        n.start_soon([&] { ends.client.send_all(pattern(4 * mebibyte)); });
        wait_all_tasks_blocked();
        char byte;
        EXPECT_THAT(text_of<busy_resource>([&] { ends.client.receive_some({&byte, 1}); }), HasSubstr("is receiving"));
        EXPECT_THAT(text_of<busy_resource>([&] { ends.client.send_all("x"); }), HasSubstr("is sending"));
        EXPECT_THROW(ends.client.wait_send_all_might_not_block(), busy_resource);
        EXPECT_THROW(static_cast<void>(ends.client.unwrap()), busy_resource);
        ends.server.send_all("x");
        EXPECT_EQ(receive_exactly(ends.server, 4 * mebibyte).size(), 4 * mebibyte);
    });
}

TOMBOLO_TEST(tls_stream, keeps_its_bytes_when_the_keys_change_in_full_duplex) {
    tls_pair ends;
    ends.shake_hands();
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(SSL_key_update(ends.client.native(), SSL_KEY_UPDATE_REQUESTED), 1);
        ASSERT_EQ(SSL_key_update(ends.server.native(), SSL_KEY_UPDATE_REQUESTED), 1);
        exchange(ends.client, ends.server);
    }
}

TOMBOLO_TEST(tls_stream, shakes_hands_again_in_whatever_call_comes) {
    tls_pair ends(with_version(tls_version::tls_1_2));
    ends.shake_hands();
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(SSL_renegotiate(ends.server.native()), 1);
        both([&] { ends.server.send_all("a"); }, [&] { EXPECT_EQ(receive_exactly(ends.client, 1), "a"); });
        both([&] { ends.client.send_all("b"); }, [&] { EXPECT_EQ(receive_exactly(ends.server, 1), "b"); });
    }
    EXPECT_EQ(SSL_num_renegotiations(ends.client.native()), 3);
}

TOMBOLO_TEST(tls_stream, sends_what_a_waiting_receiver_has_to_help_with) {
    tls_pair ends(with_version(tls_version::tls_1_2));
    ends.shake_hands();
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_EQ(receive_exactly(ends.client, 2), "ab"); });
        wait_all_tasks_blocked();
        ASSERT_EQ(SSL_renegotiate(ends.server.native()), 1);
        ends.server.send_all("a");
        wait_all_tasks_blocked();
        // The client has sent its hello. Its send needs the server's answer, which the receiver of the other task gets.
        both([&] { ends.client.send_all("c"); }, [&] { EXPECT_EQ(receive_exactly(ends.server, 1), "c"); });
        ends.server.send_all("b");
    });
}

TOMBOLO_TEST(tls_stream, waits_for_room_behind_whoever_sends) {
    tls_pair ends;
    EXPECT_EQ(ends.client_transport.waits_for_room, 0);
    assert_checkpoints([&] { ends.client.wait_send_all_might_not_block(); });
    EXPECT_EQ(ends.client_transport.waits_for_room, 1);
    EXPECT_FALSE(ends.client.is_handshake_done());
    open_nursery([&](nursery& n) {
        ends.client_transport.before_send = [] { wait_all_tasks_blocked(); };
        n.start_soon([&] { ends.client.do_handshake(); });
        wait_all_tasks_blocked();
        n.start_soon([&] { ends.server.do_handshake(); });
        ends.client.wait_send_all_might_not_block();
        EXPECT_GE(ends.client_transport.sends, 1);
    });
}

TOMBOLO_TEST(tls_stream, delays_session_tickets_to_the_servers_first_send) {
    tls_pair ends;
    both([&] { ends.client.do_handshake(); }, [&] { ends.server.do_handshake(); });
    const int sends = ends.server_transport.sends;
    const std::size_t sent = ends.server_transport.sent;
    EXPECT_EQ(sends, 1) << "the flight of the handshake, and no tickets";
    both([&] { ends.server.send_all("x"); }, [&] { EXPECT_EQ(receive_exactly(ends.client, 1), "x"); });
    EXPECT_EQ(ends.server_transport.sends, sends + 1);
    EXPECT_GT(ends.server_transport.sent - sent, 200U) << "the tickets went with it";
}

TOMBOLO_TEST(tls_stream, takes_no_heed_of_errors_that_somebody_left_in_openssls_queue) {
    const auto leave_junk = [] {
        ERR_raise_data(ERR_LIB_SSL, SSL_R_WRONG_VERSION_NUMBER, "junk");
        ERR_raise(ERR_LIB_SYS, EPIPE);
    };
    tls_pair ends;
    for (transport_record* record : {&ends.client_transport, &ends.server_transport}) {
        record->before_send = leave_junk;
        record->before_receive = leave_junk;
    }
    leave_junk();
    exchange(ends.client, ends.server);
    leave_junk();
    both([&] { ends.client.aclose(); }, [&] { EXPECT_EQ(receive_all(ends.server), ""); });
}

TOMBOLO_TEST(tls_stream, leaves_no_error_of_its_own_in_openssls_queue) {
    tls_pair ends({.client_stream = {.server_hostname = "elsewhere.example"}});
    both(
        [&] {
            EXPECT_THROW(ends.client.do_handshake(), certificate_rejected);
            EXPECT_EQ(ERR_peek_error(), 0U);
        },
        [&] {
            EXPECT_THROW(ends.server.do_handshake(), tls_error);
            EXPECT_EQ(ERR_peek_error(), 0U);
        });
}

TOMBOLO_TEST(tls_stream, is_broken_once_its_transport_fails) {
    const auto fail = [] { throw broken_stream(ECONNRESET, "the test's transport"); };
    tls_pair in_handshake;
    in_handshake.client_transport.before_send = fail;
    EXPECT_THAT(text_of<broken_stream>([&] { in_handshake.client.do_handshake(); }), HasSubstr("the test's transport"));
    EXPECT_THAT(text_of<broken_stream>([&] { in_handshake.client.do_handshake(); }), HasSubstr("is broken"));

    tls_pair ends;
    ends.shake_hands();
    ends.client_transport.before_receive = fail;
    char byte;
    EXPECT_THROW(ends.client.receive_some({&byte, 1}), broken_stream);
    EXPECT_THAT(text_of<broken_stream>([&] { ends.client.send_all("x"); }), HasSubstr("receiving failed"));
    ends.client.aclose();
    EXPECT_EQ(ends.client_transport.orderly_closes, 1);
    EXPECT_THROW(ends.client.send_all("x"), closed_resource);
}

TOMBOLO_TEST(tls_stream, detects_bytes_that_were_tampered_with) {
    auto [near, between_near] = unix_stream::pair();
    auto [between_far, far] = unix_stream::pair();
    tls_stream client(std::move(near), trusting_client(), {.server_hostname = "localhost"});
    tls_stream server(std::move(far), localhost_server());
    bool tamper = false;
    const auto forward = [&](unix_stream& from, unix_stream& to) {
        std::array<std::byte, 4096> room;
        while (const std::size_t count = from.receive_some(room)) {
            if (tamper) room[count - 1] ^= std::byte{1};
            to.send_all(const_bytes(room.data(), count));
        }
    };
    open_nursery([&](nursery& n) {
        n.start_soon([&] { forward(between_near, between_far); });
        n.start_soon([&] { forward(between_far, between_near); });
        both([&] { client.do_handshake(); }, [&] { server.do_handshake(); });
        tamper = true;
        client.send_all("hello");
        char room[16];
        EXPECT_THAT(text_of<tls_error>([&] { server.receive_some(room); }), HasSubstr("bad record mac"));
        n.cancel_scope().cancel();
    });
}

TOMBOLO_TEST(tls_stream, runs_over_another_tls_stream) {
    auto [near, far] = unix_stream::pair();
    tls_stream outer(std::move(near), trusting_client(), {.server_hostname = "localhost"});
    tls_stream outer_server(std::move(far), localhost_server());
    tls_stream client(std::move(outer), trusting_client(), {.server_hostname = "localhost"});
    tls_stream server(std::move(outer_server), localhost_server());
    exchange(client, server);
    EXPECT_NE(client.transport<tls_stream>(), nullptr);
    EXPECT_EQ(client.transport<unix_stream>(), nullptr);
    EXPECT_TRUE(client.transport<tls_stream>()->transport<unix_stream>()->is_open());
}

TOMBOLO_TEST(tls_context, says_what_is_wrong_with_certificates_and_keys) {
    const auto& good = localhost_certificate();
    const auto server = [](const pem& chain, const pem& key, const std::string& passphrase = {}) {
        return text_of<invalid_tls_setting>([&] { tls_context::server(chain, key, {.key_passphrase = passphrase}); });
    };
    EXPECT_THAT(server(pem::text("no"), good.key()), HasSubstr("has no readable certificate"));
    EXPECT_THAT(server(pem::file("/dev/null"), good.key()), HasSubstr("has no readable certificate"));
    EXPECT_THAT(server(good.certificate(), pem::text("no")), HasSubstr("has no readable private key"));
    EXPECT_THAT(server(good.certificate(), test_authority().key()), HasSubstr("not that of the first certificate"));
    const pem locked = pem::text(good.key_text("sesame"));
    EXPECT_THAT(server(good.certificate(), locked), HasSubstr("key_passphrase is missing or wrong"));
    EXPECT_THAT(server(good.certificate(), locked, "open"), HasSubstr("key_passphrase is missing or wrong"));
    EXPECT_NO_THROW(tls_context::server(good.certificate(), locked, {.key_passphrase = "sesame"}));
    EXPECT_THAT(
        text_of<io_error>([&] { tls_context::server(pem::file("/nowhere/chain.pem"), good.key()); }),
        HasSubstr("/nowhere/chain.pem"));
    EXPECT_THAT(
        text_of<invalid_tls_setting>([&] { tls_context::client({.certificate = good.certificate()}); }),
        HasSubstr("give certificate and key, or neither"));
    EXPECT_THAT(
        text_of<invalid_tls_setting>([&] { localhost_server({.verify_clients = client_certificates::required}); }),
        HasSubstr("needs authorities"));
    EXPECT_THAT(
        text_of<invalid_tls_setting>([&] { localhost_server({.authorities = {good.certificate()}}); }),
        HasSubstr("set verify_clients too"));
    EXPECT_THAT(text_of<invalid_tls_setting>([&] { tls_context::client({.alpn = {""}}); }), HasSubstr("alpn"));
    EXPECT_THAT(
        text_of<invalid_tls_setting>([&] {
            tls_context::client({.minimum_version = tls_version::tls_1_3, .maximum_version = tls_version::tls_1_2});
        }),
        HasSubstr("minimum_version is above"));
    EXPECT_EQ(&tls_context::default_client(), &tls_context::default_client());
}

}  // namespace
}  // namespace tombolo::testing
