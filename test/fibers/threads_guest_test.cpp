#include "test/fibers/guest_runs.hpp"
#include "test/fibers/thrown.hpp"
#include "test/support/descriptors.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/event.hpp>
#include <tombolo/fibers/from_thread.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run_token.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/to_thread.hpp>
#include <tombolo/fibers/wait_fd.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// Guests and other threads: those that post, and the one that waits in a posting host's stead.
namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

template <class Host>
class threads_guest : public guest_runs<Host> {};
TYPED_TEST_SUITE(threads_guest, every_host);

TYPED_TEST(threads_guest, loses_no_post_of_many_threads) {
    constexpr int threads = 3;
    constexpr int posts = 500;
    const auto how = this->host_guest([] {
        int calls = 0;
        event all;
        const lowlevel::run_token token = lowlevel::current_run_token();
        std::vector<std::jthread> posters;
        for (int i = 0; i < threads; ++i) {
            posters.emplace_back([&, token] {
                for (int post = 0; post < posts; ++post)
                    token.run_sync_soon([&] {
                        if (++calls == threads * posts) all.set();
                    });
            });
        }
        all.wait();
        return calls;
    });
    EXPECT_EQ(how.value(), threads * posts);
}

TYPED_TEST(threads_guest, wakes_for_each_single_post) {
    const auto how = this->host_guest([] {
        const lowlevel::run_token token = lowlevel::current_run_token();
        int rounds = 0;
        for (; rounds < 100; ++rounds) {
            event called;
            const std::jthread poster([&] { token.run_sync_soon([&] { called.set(); }); });
            called.wait();
        }
        return rounds;
    });
    EXPECT_EQ(how.value(), 100);
}

TYPED_TEST(threads_guest, can_wait_for_threads_and_be_called_by_them) {
    const auto how = this->host_guest([] {
        int sum = 0;
        open_nursery([&](nursery& n) {
            for (int i = 1; i <= 3; ++i) {
                n.start_soon([&sum, i] {
                    sum += to_thread([i] {
                        return from_thread::run([i] {
                            sleep_for(100us);
                            return i;
                        });
                    });
                });
            }
        });
        return sum;
    });
    EXPECT_EQ(how.value(), 6);
}

TYPED_TEST(threads_guest, can_be_told_by_another_thread_to_end) {
    std::optional<outcome<void>> ended;
    auto guest = lowlevel::start_guest_run(
        [] { sleep_forever(); }, this->host,
        [&](outcome<void> how) {
            ended.emplace(std::move(how));
            this->host.stop();
        });
    const std::jthread other([&, token = guest.token()] { token.run_sync_soon([&] { guest.cancel("from afar"); }); });
    this->host.turn_until_stopped();
    EXPECT_TRUE(holds<cancelled>(ended->error()));
}

TYPED_TEST(threads_guest, refuses_calls_of_other_threads_by_name) {
    auto guest = lowlevel::start_guest_run([] { checkpoint(); }, this->host, [&](auto&&) { this->host.stop(); });
    std::jthread([&] {
        EXPECT_THAT(text_of<wrong_thread>([&] { guest.cancel(); }), HasSubstr("guest_run::cancel"));
        EXPECT_THAT(text_of<wrong_thread>([&] { guest.drain(); }), HasSubstr("guest_run::drain"));
        EXPECT_THAT(text_of<wrong_thread>([&] { guest.call([] {}); }), HasSubstr("guest_run::call"));
    });
    this->host.turn_until_stopped();
    EXPECT_TRUE(guest.ended());
}

TYPED_TEST(threads_guest, exists_once_on_each_of_many_threads) {
    std::atomic<int> ended = 0;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                TypeParam host;
                for (int round = 0; round < 10; ++round) {
                    auto guest = lowlevel::start_guest_run(
                        [] { sleep_for(100us); }, host,
                        [&](outcome<void> how) {
                            if (how.has_value()) ++ended;
                            host.stop();
                        });
                    host.turn_until_stopped();
                }
            });
        }
    }
    EXPECT_EQ(ended, 40);
}

// The guest is drained at the moment in which the thread that waits for it may be on its way to the host.
TYPED_TEST(threads_guest, can_be_drained_while_its_events_come_in) {
    for (int round = 0; round < 100; ++round) {
        int ended = 0;
        const open_pipe pipe;
        auto guest = lowlevel::start_guest_run(
            [&] {
                lowlevel::wait_readable(pipe.reader.get());
                take(pipe.reader);
            },
            this->host,
            [&](outcome<void> how) {
                EXPECT_TRUE(how.has_value());
                ++ended;
            });
        this->in_its_sleep([&] { this->host.stop(); });
        this->host.turn_until_stopped();
        const std::jthread other([&] { put(pipe.writer, "x"); });
        guest.drain();
        EXPECT_EQ(ended, 1);
    }
}

// case 56: host and guest, each in turn.
TYPED_TEST(threads_guest, plays_ping_pong_with_its_host) {
    std::string order;
    const auto how = this->host_guest([&] {
        for (int i = 0; i < 50; ++i) {
            event pong;
            this->host.post([&] {
                order += 'h';
                pong.set();
            });
            pong.wait();
            order += 'g';
        }
    });
    EXPECT_TRUE(how.has_value());
    std::string expected;
    for (int i = 0; i < 50; ++i) expected += "hg";
    EXPECT_EQ(order, expected);
}

/// Its threadsafe function takes its time on the way out.
class slow_host final : public lowlevel::posting_host {
public:
    void run_soon_threadsafe(unique_function<void()> f) override {
        ++inside;
        loop.post(std::move(f));
        for (int i = 0; i < 1000 && std::this_thread::get_id() != home; ++i) std::this_thread::yield();
        --inside;
    }
    posting_loop loop;
    std::atomic<int> inside = 0;
    std::thread::id home = std::this_thread::get_id();
};

// So that a host may be destroyed in `done`.
TEST(threads_guest_host, is_left_alone_when_done_is_called) {
    for (int round = 0; round < 5; ++round) {
        slow_host host;
        const open_pipe pipe;
        auto guest = lowlevel::start_guest_run(
            [&] {
                const std::jthread other([&] { put(pipe.writer, "x"); });
                lowlevel::wait_readable(pipe.reader.get());
            },
            host,
            [&](outcome<void>) {
                EXPECT_EQ(host.inside, 0);
                host.loop.stop();
            });
        host.loop.turn_until_stopped();
    }
}

class host_that_throws_elsewhere final : public lowlevel::posting_host {
public:
    void run_soon_threadsafe(unique_function<void()> f) override {
        if (std::this_thread::get_id() != home) {
            refused = true;
            throw std::runtime_error("no entry for strangers");
        }
        loop.post(std::move(f));
    }
    posting_loop loop;
    std::atomic<bool> refused = false;
    std::thread::id home = std::this_thread::get_id();
};

TEST(threads_guest_host, that_throws_on_the_waiting_thread_is_reported_and_the_guest_can_be_drained) {
    host_that_throws_elsewhere host;
    std::optional<outcome<void>> ended;
    ::testing::internal::CaptureStderr();
    auto guest = lowlevel::start_guest_run(
        [] { sleep_for(1ms); }, host, [&](outcome<void> how) { ended.emplace(std::move(how)); });
    host.loop.post([&] { host.loop.stop(); });
    host.loop.turn_until_stopped();
    while (!host.refused) std::this_thread::yield();
    guest.drain();
    EXPECT_THAT(
        ::testing::internal::GetCapturedStderr(),
        AllOf(HasSubstr("no entry for strangers"), HasSubstr("another thread")));
    ASSERT_TRUE(ended.has_value());
    EXPECT_TRUE(ended->has_value());
}

}  // namespace
}  // namespace tombolo::testing
