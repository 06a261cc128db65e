#include "test/fibers/abort_table.hpp"
#include "test/fibers/thrown.hpp"
#include "test/net/tls_pair.hpp"

#include <tombolo/fibers/net/tls_stream.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace tombolo::testing {
namespace {

using namespace net;
using kind = interruption::kind;

/// Calls `scene` with an attempt for every park point that it has and every way to cancel there, up to the first that is never reached.
void cancel_everywhere(const std::function<void(attempt&)>& scene) {
    for (const kind how : {kind::before, kind::at_park, kind::when_queued, kind::by_deadline}) {
        for (int nth = 1;; ++nth) {
            SCOPED_TRACE("park point " + std::to_string(nth));
            attempt make({how, nth});
            scene(make);
            if (how == kind::before) {
                EXPECT_EQ(make.cancelled(), 1);
                break;
            }
            if (!make.fired()) {
                EXPECT_GT(nth, 1) << "there is no park point at all";
                EXPECT_EQ(make.completed(), 1);
                break;
            }
        }
    }
}

struct received {
    std::string bytes;
    bool ended_cleanly = false;
};

/// What `end` gives until it ends or breaks.
received receive_what_comes(tls_stream& end) {
    received all;
    char part[4096];
    try {
        while (const std::size_t some = end.receive_some(part)) all.bytes.append(part, some);
        all.ended_cleanly = true;
    } catch (const broken_stream&) {
        return all;
    }
    return all;
}

TOMBOLO_TEST(tls_cancel, of_a_handshake_breaks_the_stream) {
    cancel_everywhere([](attempt& make) {
        tls_pair ends;
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                try {
                    ends.server.do_handshake();
                } catch (const broken_stream&) {
                    return;
                }
            });
            if (!make([&] { ends.client.do_handshake(); })) {
                EXPECT_FALSE(ends.client.is_handshake_done());
                // Fired means that it had begun.
                if (make.fired()) {
                    EXPECT_THROW(ends.client.do_handshake(), broken_stream);
                }
            }
            ends.client.close();
        });
        EXPECT_THROW(ends.client.do_handshake(), closed_resource);
    });
}

TOMBOLO_TEST(tls_cancel, of_a_handshake_tells_those_who_wait_for_it) {
    tls_pair ends;
    cancel_scope scope;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_FALSE(scope.run([&] { ends.client.do_handshake(); })); });
        wait_all_tasks_blocked();
        n.start_soon([&] { EXPECT_THROW(ends.client.send_all("x"), broken_stream); });
        wait_all_tasks_blocked();
        scope.cancel();
    });
}

TOMBOLO_TEST(tls_cancel, before_the_handshake_has_begun_breaks_nothing) {
    tls_pair ends;
    cancel_scope scope;
    scope.cancel();
    EXPECT_FALSE(scope.run([&] { ends.client.send_all("x"); }));
    EXPECT_EQ(ends.client_transport.sends, 0);
    ends.shake_hands();
}

TOMBOLO_TEST(tls_cancel, of_a_receive_takes_nothing) {
    cancel_everywhere([](attempt& make) {
        tls_pair ends;
        ends.shake_hands();
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                wait_all_tasks_blocked();
                ends.server.send_all("hello");
            });
            std::string room(5, ' ');
            if (make([&] { EXPECT_EQ(ends.client.receive_some(room), 5U); })) return;
            EXPECT_EQ(receive_exactly(ends.client, 5), "hello");
        });
        both([&] { ends.client.aclose(); }, [&] { EXPECT_EQ(receive_all(ends.server), ""); });
    });
}

TOMBOLO_TEST(tls_cancel, of_a_send_never_looks_like_an_end) {
    const std::string sent = pattern(400'000);
    cancel_everywhere([&](attempt& make) {
        tls_pair ends;
        ends.shake_hands();
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                const received got = receive_what_comes(ends.server);
                EXPECT_TRUE(sent.starts_with(got.bytes));
                if (make.completed() == 1) {
                    EXPECT_TRUE(got.ended_cleanly);
                    EXPECT_EQ(got.bytes.size(), sent.size());
                } else if (got.ended_cleanly) {
                    EXPECT_EQ(got.bytes.size(), 0U) << "a part looks like the whole";
                }
            });
            if (!make([&] { ends.client.send_all(sent); }) && make.fired()) {
                // It may not have begun, or be broken: then aclose() says no good-bye.
                try {
                    ends.client.send_all("");
                } catch (const broken_stream&) {
                    ends.client.aclose();
                    EXPECT_EQ(ends.client_transport.orderly_closes, 1);
                    return;
                }
            }
            ends.client.aclose();
        });
    });
}

TOMBOLO_TEST(tls_cancel, of_closing_closes_nevertheless) {
    for (const bool shaken : {true, false}) {
        cancel_everywhere([&](attempt& make) {
            tls_pair ends;
            if (shaken) ends.shake_hands();
            open_nursery([&](nursery& n) {
                n.start_soon([&] { EXPECT_EQ(receive_what_comes(ends.server).bytes, ""); });
                static_cast<void>(make([&] { ends.client.aclose(); }));
                EXPECT_FALSE(ends.client.is_open());
                EXPECT_GE(ends.client_transport.closes + ends.client_transport.orderly_closes, 1);
            });
            EXPECT_THROW(ends.client.send_all("x"), closed_resource);
            ends.server.close();
        });
    }
}

TOMBOLO_TEST(tls_cancel, of_unwrapping_breaks_or_has_not_begun) {
    cancel_everywhere([](attempt& make) {
        tls_pair ends;
        ends.shake_hands();
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                wait_all_tasks_blocked();
                if (receive_what_comes(ends.server).ended_cleanly) ends.server.aclose();
            });
            unwrapped_stream plain;
            const int before = ends.client_transport.sends;
            if (make([&] { plain = ends.client.unwrap(); })) {
                EXPECT_NE(plain.transport, nullptr);
                EXPECT_FALSE(ends.client.is_open());
            } else {
                if (ends.client_transport.sends > before) {
                    EXPECT_THROW(ends.client.send_all("x"), broken_stream);
                } else {
                    ends.client.send_all("");
                }
                ends.client.close();
            }
        });
    });
}

}  // namespace
}  // namespace tombolo::testing
