#include "test/fibers/thrown.hpp"
#include "test/net/tls_pair.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/event.hpp>
#include <tombolo/fibers/net/tls_stream.hpp>
#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <stdexcept>
#include <string>

namespace tombolo::testing {
namespace {

using namespace net;
using ::testing::HasSubstr;

tls_pair_options https(bool client, bool server) {
    return {
        .client_stream = {.server_hostname = "localhost", .https_compatible = client},
        .server_stream = {.https_compatible = server}};
}

TOMBOLO_TEST(tls_close, ends_the_other_sides_stream_cleanly) {
    tls_pair ends;
    ends.shake_hands();
    both(
        [&] {
            ends.client.send_all("last words");
            ends.client.aclose();
        },
        [&] {
            EXPECT_EQ(receive_all(ends.server), "last words");
            char byte;
            assert_checkpoints([&] { EXPECT_EQ(ends.server.receive_some({&byte, 1}), 0U); });
            ends.server.aclose();
        });
    EXPECT_EQ(ends.client_transport.orderly_closes, 1);
    EXPECT_EQ(ends.server_transport.orderly_closes, 1);
    EXPECT_FALSE(ends.client.is_open());
}

TOMBOLO_TEST(tls_close, lets_both_sides_close_at_once) {
    tls_pair ends;
    ends.shake_hands();
    both([&] { ends.client.aclose(); }, [&] { ends.server.aclose(); });
}

TOMBOLO_TEST(tls_close, may_be_repeated_and_later_calls_say_closed) {
    tls_pair ends;
    ends.shake_hands();
    ends.client.aclose();
    assert_checkpoints([&] { ends.client.aclose(); });
    ends.client.close();
    EXPECT_EQ(ends.client_transport.orderly_closes, 1);
    char byte;
    EXPECT_THROW(ends.client.send_all("x"), closed_resource);
    EXPECT_THROW(ends.client.receive_some({&byte, 1}), closed_resource);
    EXPECT_THROW(ends.client.do_handshake(), closed_resource);
    EXPECT_THROW(ends.client.wait_send_all_might_not_block(), closed_resource);
    EXPECT_THROW(static_cast<void>(ends.client.unwrap()), closed_resource);
    tls_stream never;
    assert_checkpoints([&] { never.aclose(); });
    EXPECT_THROW(never.send_all("x"), closed_resource);
}

TOMBOLO_TEST(tls_close, does_the_handshake_first_so_that_the_other_side_sees_a_clean_end) {
    tls_pair ends;
    both([&] { ends.client.aclose(); }, [&] { EXPECT_EQ(receive_all(ends.server), ""); });
    EXPECT_FALSE(ends.client.is_open());
}

TOMBOLO_TEST(tls_close, fails_and_closes_when_that_handshake_fails) {
    tls_pair ends({.client_stream = {.server_hostname = "elsewhere.example"}});
    both(
        [&] { EXPECT_THROW(ends.client.aclose(), certificate_rejected); },
        [&] { EXPECT_THROW(ends.server.do_handshake(), tls_error); });
    EXPECT_FALSE(ends.client.is_open());
    EXPECT_EQ(ends.client_transport.closes, 1);
    EXPECT_EQ(ends.client_transport.orderly_closes, 0);
}

TOMBOLO_TEST(tls_close, closes_its_transport_once_even_if_that_throws) {
    tls_pair ends;
    ends.shake_hands();
    ends.client_transport.before_aclose = [] { throw std::domain_error("closing failed"); };
    EXPECT_THROW(ends.client.aclose(), std::domain_error);
    ends.client.aclose();
    EXPECT_EQ(ends.client_transport.orderly_closes, 1);
}

TOMBOLO_TEST(tls_close, does_not_mind_that_the_other_side_is_gone) {
    tls_pair ends;
    ends.shake_hands();
    ends.server.close();
    ends.client.aclose();
    EXPECT_EQ(ends.client_transport.orderly_closes, 1);
}

TOMBOLO_TEST(tls_close, takes_an_end_without_good_bye_for_a_truncation) {
    tls_pair ends;
    ends.shake_hands();
    ends.client.close();
    char byte;
    EXPECT_THAT(text_of<tls_error>([&] { ends.server.receive_some({&byte, 1}); }), HasSubstr("https_compatible"));
    EXPECT_THAT(
        text_of<broken_stream>([&] { ends.server.receive_some({&byte, 1}); }), HasSubstr("without TLS's good-bye"));
    ends.server.aclose();
}

TOMBOLO_TEST(tls_close, takes_it_for_the_end_where_https_is_spoken) {
    tls_pair ends(https(true, true));
    ends.shake_hands();
    const std::size_t sent = ends.client_transport.sent;
    ends.client.aclose();
    EXPECT_EQ(ends.client_transport.sent, sent) << "no good-bye";
    char byte;
    assert_checkpoints([&] { EXPECT_EQ(ends.server.receive_some({&byte, 1}), 0U); });
    assert_checkpoints([&] { EXPECT_EQ(ends.server.receive_some({&byte, 1}), 0U); });
    ends.server.aclose();
}

TOMBOLO_TEST(tls_close, is_judged_by_the_receiver_where_only_one_side_speaks_https) {
    tls_pair brief(https(true, false));
    brief.shake_hands();
    brief.client.aclose();
    EXPECT_THROW(receive_all(brief.server), tls_error);

    tls_pair polite(https(false, true));
    polite.shake_hands();
    polite.client.aclose();
    EXPECT_EQ(receive_all(polite.server), "");
}

TOMBOLO_TEST(tls_close, wakes_who_waits_in_a_call) {
    tls_pair ends;
    ends.shake_hands();
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_THROW(receive_exactly(ends.client, 1), closed_resource); });
        n.start_soon([&] { EXPECT_THROW(ends.client.send_all(pattern(4 << 20)), closed_resource); });
        wait_all_tasks_blocked();
        ends.client.close();
    });
    tls_pair fresh;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_THROW(fresh.client.do_handshake(), closed_resource); });
        n.start_soon([&] { EXPECT_THROW(fresh.client.do_handshake(), closed_resource); });
        wait_all_tasks_blocked();
        fresh.client.close();
    });
}

TOMBOLO_TEST(tls_close, lets_a_truncated_message_look_truncated) {
    tls_pair ends;
    ends.shake_hands();
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_THROW(ends.client.send_all(pattern(4 << 20)), closed_resource); });
        wait_all_tasks_blocked();
        ends.client.aclose();
        EXPECT_THROW(receive_all(ends.server), tls_error);
    });
}

TOMBOLO_TEST(tls_close, says_good_bye_although_another_task_waits_for_room) {
    tls_pair ends;
    ends.shake_hands();
    event is_room;
    ends.client_transport.before_wait_for_room = [&] { is_room.wait(); };
    open_nursery([&](nursery& n) {
        n.start_soon([&] { ends.client.wait_send_all_might_not_block(); });
        wait_all_tasks_blocked();
        n.start_soon([&] { ends.client.aclose(); });
        wait_all_tasks_blocked();
        is_room.set();
        EXPECT_EQ(receive_all(ends.server), "");
    });
}

TOMBOLO_TEST(tls_close, during_the_last_good_bye_leaves_nothing_to_unwrap) {
    tls_pair ends;
    ends.shake_hands();
    open_nursery([&](nursery& n) {
        n.start_soon([&] { static_cast<void>(ends.server.unwrap()); });
        EXPECT_EQ(receive_all(ends.client), "");
        // As another task may do while unwrap() is in the transport's send, which has sent and is at its checkpoint.
        ends.client_transport.after_send = [&] { ends.client.close(); };
        EXPECT_THROW(static_cast<void>(ends.client.unwrap()), closed_resource);
    });
}

TOMBOLO_TEST(tls_close, by_unwrapping_gives_the_transport_back_with_what_came_behind) {
    tls_pair ends;
    ends.shake_hands();
    both(
        [&] {
            unwrapped_stream plain = ends.client.unwrap();
            EXPECT_TRUE(plain.trailing.empty());
            plain.transport->send_all("plain text");
            std::array<char, 16> room;
            EXPECT_EQ(plain.transport->receive_some(room), 2U);
            plain.transport->close();
        },
        [&] {
            EXPECT_EQ(receive_all(ends.server), "");
            unwrapped_stream plain = ends.server.unwrap();
            wait_all_tasks_blocked();
            plain.transport->send_all("ok");
            std::string got(plain.trailing.size(), ' ');
            std::ranges::transform(plain.trailing, got.begin(), [](std::byte each) { return static_cast<char>(each); });
            struct adapter {
                stream& of;
                std::size_t receive_some(mutable_bytes into) { return of.receive_some(into); }
            } rest{*plain.transport};
            EXPECT_EQ(got + receive_all(rest), "plain text");
        });
    EXPECT_THROW(ends.client.send_all("x"), closed_resource);
    EXPECT_FALSE(ends.server.is_open());
    EXPECT_EQ(ends.server.transport<recorded_stream>(), nullptr);
    ends.client.aclose();
    EXPECT_EQ(ends.client_transport.orderly_closes, 0);
}

TOMBOLO_TEST(tls_close, returns_bytes_that_came_in_one_go_with_the_good_bye_as_trailing) {
    auto [near, between_near] = unix_stream::pair();
    auto [between_far, far] = unix_stream::pair();
    tls_stream client(std::move(near), trusting_client(), {.server_hostname = "localhost"});
    tls_stream server(std::move(far), localhost_server());
    // Once it is told to, the middle holds everything back until plain text follows.
    bool hold = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            std::string held;
            std::array<char, 4096> room;
            while (const std::size_t count = between_near.receive_some(room)) {
                held.append(room.data(), count);
                if (hold && !held.ends_with("plain")) continue;
                between_far.send_all(held);
                held.clear();
            }
        });
        n.start_soon([&] {
            std::array<char, 4096> room;
            while (const std::size_t count = between_far.receive_some(room))
                between_near.send_all(const_bytes(room.data(), count));
        });
        both([&] { client.do_handshake(); }, [&] { server.do_handshake(); });
        hold = true;
        // The server says good-bye first, so the client's unwrap does not wait.
        n.start_soon([&] {
            const unwrapped_stream plain = server.unwrap();
            EXPECT_EQ(const_bytes(plain.trailing).text(), "plain");
            n.cancel_scope().cancel();
        });
        EXPECT_EQ(receive_all(client), "");
        const unwrapped_stream plain = client.unwrap();
        plain.transport->send_all("plain");
    });
}

TOMBOLO_TEST(tls_close, refuses_to_unwrap_over_data_that_was_not_received) {
    tls_pair ends;
    ends.shake_hands();
    ends.server.send_all("not received");
    EXPECT_THAT(
        text_of<tls_error>([&] { static_cast<void>(ends.client.unwrap()); }), HasSubstr("not received before unwrap"));
    EXPECT_THROW(ends.client.send_all("x"), broken_stream);
}

}  // namespace
}  // namespace tombolo::testing
