#include "test/fibers/guest_runs.hpp"
#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/event.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run_token.hpp>
#include <tombolo/fibers/task_host.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/mock_clock.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

// Runs inside runs: task_host, G14.
namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;

/// Runs `main` as a guest that the current task hosts.
template <class F>
auto served(F main, const run_options& options = {}) {
    using result = std::invoke_result_t<F&>;
    std::optional<outcome<result>> ended;
    lowlevel::task_host host;
    host.serve(lowlevel::start_guest_run(
        std::move(main), host, [&](outcome<result> how) { ended.emplace(std::move(how)); }, options));
    return std::move(ended).value();
}

TEST(task_host, gives_main_s_outcome_to_done) {
    run([] {
        EXPECT_EQ(served([] { return 4; }).value(), 4);
        const auto how = served([] {
            sleep_for(1ms);
            throw std::out_of_range("inside");
        });
        EXPECT_THROW(how.value(), std::out_of_range);
    });
}

TEST(task_host, has_each_run_installed_while_its_tasks_run) {
    run([] {
        const lowlevel::run_token outer = lowlevel::current_run_token();
        const auto how = served([&] {
            for (int i = 0; i < 3; ++i) {
                EXPECT_FALSE(lowlevel::current_run_token() == outer);
                sleep_for(100us);
            }
        });
        EXPECT_TRUE(how.has_value());
        EXPECT_TRUE(lowlevel::current_run_token() == outer);
        EXPECT_TRUE(in_task());
    });
}

TEST(task_host, lets_the_other_tasks_of_its_run_go_on) {
    std::string order;
    run([&] {
        bool inner_may_end = false;
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                const auto how = served([&] {
                    while (!inner_may_end) sleep_for(100us);
                    order += 'i';
                });
                EXPECT_TRUE(how.has_value());
            });
            n.start_soon([&] {
                for (int i = 0; i < 50; ++i) checkpoint();
                sleep_for(1ms);
                order += 'o';
                inner_may_end = true;
            });
        });
    });
    EXPECT_EQ(order, "oi");
}

TEST(task_host, keeps_other_tasks_going_while_its_guest_is_busy) {
    int turns = 0;
    run([&] {
        bool stop = false;
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                while (turns < 5) {
                    ++turns;
                    checkpoint();
                }
                stop = true;
            });
            const auto how = served([&] {
                while (!stop) checkpoint();
            });
            EXPECT_TRUE(how.has_value());
        });
    });
    EXPECT_EQ(turns, 5);
}

// Two runs on one thread that talk: one through the run token of the other, the other through guest_run::call.
TEST(task_host, interleaves_two_runs_that_play_ping_pong) {
    std::string order;
    run([&] {
        std::array<event, 3> pings;
        std::array<event, 3> pongs;
        const lowlevel::run_token outer = lowlevel::current_run_token();
        lowlevel::task_host host;
        std::optional<outcome<void>> ended;
        lowlevel::guest_run guest = lowlevel::start_guest_run(
            [&] {
                for (std::size_t i = 0; i < 3; ++i) {
                    pings[i].wait();
                    order += 'i';
                    outer.run_sync_soon([&pongs, i] { pongs[i].set(); });
                }
            },
            host, [&](outcome<void> how) { ended.emplace(std::move(how)); });
        open_nursery([&](nursery& n) {
            n.start_soon([&] { host.serve(guest); });
            for (std::size_t i = 0; i < 3; ++i) {
                order += 'o';
                guest.call([&] { pings[i].set(); });
                pongs[i].wait();
            }
        });
        EXPECT_TRUE(ended->has_value());
    });
    EXPECT_EQ(order, "oioioi");
}

TEST(task_host, has_call_leave_what_it_throws_and_return_what_it_returns) {
    run([] {
        lowlevel::task_host host;
        lowlevel::guest_run guest = lowlevel::start_guest_run([] {}, host, [](auto&&) {});
        EXPECT_EQ(guest.call([] { return 3; }), 3);
        EXPECT_THROW(guest.call([] { throw std::out_of_range("host code"); }), std::out_of_range);
        EXPECT_TRUE(guest.call([] { return in_run() && !in_task(); }));
        EXPECT_THROW(guest.call([] { checkpoint(); }), not_in_task);
        EXPECT_TRUE(in_task());
        checkpoint();
        host.serve(guest);
    });
}

TEST(task_host, cancels_its_guest_when_it_is_cancelled_and_waits_for_it) {
    bool cleaned_up = false;
    run([&] {
        std::optional<outcome<void>> ended;
        cancel_scope scope;
        const lowlevel::run_token outer = lowlevel::current_run_token();
        static_cast<void>(scope.run([&] {
            lowlevel::task_host host;
            host.serve(lowlevel::start_guest_run(
                [&] {
                    try {
                        outer.run_sync_soon([&] { scope.cancel("enough"); });
                        sleep_forever();
                    } catch (const cancelled&) {
                        cancel_scope shield{{.shield = true}};
                        shield.run([] { sleep_for(1ms); });
                        cleaned_up = true;
                        throw;
                    }
                },
                host, [&](outcome<void> how) { ended.emplace(std::move(how)); }));
        }));
        EXPECT_TRUE(scope.cancelled_caught());
        ASSERT_TRUE(ended.has_value());
        EXPECT_TRUE(holds<cancelled>(ended->error()));
    });
    EXPECT_TRUE(cleaned_up);
}

TEST(task_host, serves_a_guest_to_its_end_that_was_cancelled_before_it_began) {
    run([] {
        std::optional<outcome<void>> ended;
        cancel_scope scope;
        scope.cancel();
        EXPECT_FALSE(scope.run([&] {
            lowlevel::task_host host;
            host.serve(lowlevel::start_guest_run(
                [] { sleep_forever(); }, host, [&](outcome<void> how) { ended.emplace(std::move(how)); }));
        }));
        EXPECT_TRUE(ended.has_value());
    });
}

TEST(task_host, hosts_guests_inside_guests) {
    EXPECT_EQ(
        run([] {
            return served([] {
                       return served([] {
                                  sleep_for(1ms);
                                  return 3;
                              }).value() +
                           1;
                   }).value() +
                1;
        }),
        5);
}

TEST(task_host, hosts_one_guest_after_another) {
    run([] {
        lowlevel::task_host host;
        int ended = 0;
        for (int i = 0; i < 3; ++i)
            host.serve(lowlevel::start_guest_run([] { sleep_for(100us); }, host, [&](outcome<void>) { ++ended; }));
        EXPECT_EQ(ended, 3);
    });
}

TEST(task_host, serves_many_at_a_time_in_tasks_of_their_own) {
    int ended = 0;
    run([&] {
        open_nursery([&](nursery& n) {
            for (int i = 0; i < 10; ++i)
                n.start_soon([&] { ended += served([] { return sleep_for(200us), 1; }).value(); });
        });
    });
    EXPECT_EQ(ended, 10);
}

TEST(task_host, refuses_what_it_cannot_do) {
    lowlevel::task_host outside;
    EXPECT_THROW(lowlevel::start_guest_run([] {}, outside, [](auto&&) {}), not_in_task);
    run([] {
        lowlevel::task_host host;
        lowlevel::task_host other;
        lowlevel::guest_run guest = lowlevel::start_guest_run([] { sleep_for(1ms); }, host, [](auto&&) {});
        EXPECT_THROW(lowlevel::start_guest_run([] {}, host, [](auto&&) {}), busy_resource);
        EXPECT_THROW(other.serve(guest), usage_error);
        open_nursery([&](nursery& n) {
            n.start_soon([&] { host.serve(guest); });
            checkpoint();
            EXPECT_THROW(host.serve(guest), busy_resource);
        });
        EXPECT_NO_THROW(host.serve(guest)) << "it has ended";
    });
}

TEST(task_host, lets_what_done_throws_leave_serve) {
    run([] {
        lowlevel::task_host host;
        EXPECT_THROW(
            host.serve(lowlevel::start_guest_run([] {}, host, [](outcome<void>) { throw std::out_of_range("done"); })),
            std::out_of_range);
    });
}

TEST(task_host, ends_serving_when_another_task_drains_the_guest) {
    run([] {
        std::optional<outcome<void>> ended;
        lowlevel::task_host host;
        lowlevel::guest_run guest = lowlevel::start_guest_run(
            [] { sleep_forever(); }, host, [&](outcome<void> how) { ended.emplace(std::move(how)); });
        open_nursery([&](nursery& n) {
            n.start_soon([&] { host.serve(guest); });
            wait_all_tasks_blocked(1ms);
            guest.cancel("drained");
            guest.drain();
            EXPECT_TRUE(ended.has_value());
        });
    });
}

TEST(task_host, can_start_another_guest_from_done) {
    int ended = 0;
    run([&] {
        lowlevel::task_host host;
        std::optional<lowlevel::guest_run> second;
        host.serve(lowlevel::start_guest_run(
            [] {}, host,
            [&](outcome<void>) {
                ++ended;
                second.emplace(lowlevel::start_guest_run([] {}, host, [&](outcome<void>) { ++ended; }));
            }));
        host.serve(*second);
    });
    EXPECT_EQ(ended, 2);
}

// Virtual time around it, virtual time in it: a clock for each.
TEST(task_host, keeps_the_clocks_apart) {
    mock_clock outer{{.autojump_threshold = 0ns}};
    mock_clock inner{{.autojump_threshold = 0ns}};
    run(
        [&] {
            sleep_for(1h);
            const auto how = served([] { sleep_for(24h); }, {.clock = &inner});
            EXPECT_TRUE(how.has_value());
            EXPECT_EQ(outer.elapsed(), 1h);
            sleep_for(1h);
        },
        {.clock = &outer});
    EXPECT_EQ(outer.elapsed(), 2h);
    EXPECT_EQ(inner.elapsed(), 24h);
}

// The guest waits in real time, however fast the time around it goes.
TEST(task_host, waits_in_real_time_inside_virtual_time) {
    mock_clock outer;
    const auto begun = std::chrono::steady_clock::now();
    run([&] { EXPECT_TRUE(served([] { sleep_for(5ms); }).has_value()); }, {.clock = &outer});
    EXPECT_GE(std::chrono::steady_clock::now() - begun, 5ms);
    EXPECT_EQ(outer.elapsed(), 0ns);
}

// A guest of a real host that hosts a run itself.
template <class Host>
class task_host_in_a_guest : public guest_runs<Host> {};
TYPED_TEST_SUITE(task_host_in_a_guest, every_host);

TYPED_TEST(task_host_in_a_guest, works_as_in_a_run) {
    const auto how = this->host_guest([] {
        return served([] {
                   sleep_for(1ms);
                   return 7;
               })
            .value();
    });
    EXPECT_EQ(how.value(), 7);
}

TYPED_TEST(task_host_in_a_guest, ends_with_it) {
    bool cleaned_up = false;
    std::optional<outcome<void>> ended;
    auto guest = lowlevel::start_guest_run(
        [&] {
            static_cast<void>(served([&] {
                try {
                    sleep_forever();
                } catch (const cancelled&) {
                    cleaned_up = true;
                    throw;
                }
            }));
        },
        this->host, [&](outcome<void> how) { ended.emplace(std::move(how)); });
    this->in_its_sleep([&] { this->host.stop(); });
    this->host.turn_until_stopped();
    guest.cancel();
    guest.drain();
    EXPECT_TRUE(cleaned_up);
    EXPECT_TRUE(holds<cancelled>(ended->error()));
}

}  // namespace
}  // namespace tombolo::testing
