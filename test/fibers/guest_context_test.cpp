#include "test/fibers/guest_runs.hpp"
#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/flavour.hpp>
#include <tombolo/fibers/instrument.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run_local.hpp>
#include <tombolo/fibers/system_task.hpp>
#include <tombolo/fibers/task_local.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/recording_instrument.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// What holds around a guest's code: the flags, variables and exceptions on either side, instruments, seeds. G2, G7, G12.
namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;

template <class Host>
class guest_surroundings : public guest_runs<Host> {};
TYPED_TEST_SUITE(guest_surroundings, every_host);

struct flags {
    bool run = in_run();
    bool task = in_task();
    flavour which = current_flavour();
    bool operator==(const flags&) const = default;
};
constexpr auto host_code = [] { return flags{true, false, flavour::none}; };
constexpr auto guest_code = [] { return flags{true, true, flavour::fiber}; };
constexpr auto neither = [] { return flags{false, false, flavour::none}; };

// G12, C-13
TYPED_TEST(guest_surroundings, say_whose_code_runs) {
    EXPECT_EQ(flags(), neither());
    std::vector<flags> seen;
    flags in_done;
    auto guest = lowlevel::start_guest_run(
        [&] {
            seen.push_back(flags());
            this->in_its_sleep([&] { seen.push_back(flags()); });
            sleep_for(2ms);
            seen.push_back(flags());
        },
        this->host,
        [&](outcome<void>) {
            in_done = flags();
            this->host.stop();
        });
    EXPECT_EQ(flags(), host_code());
    this->host.turn_until_stopped();
    EXPECT_EQ(seen, (std::vector<flags>{guest_code(), host_code(), guest_code()}));
    EXPECT_EQ(in_done, neither());
    EXPECT_EQ(flags(), neither());
}

// G2, case 52: everything that needs a run but no task.
TYPED_TEST(guest_surroundings, are_ready_when_start_guest_run_returns) {
    std::string order;
    const auto how = this->host_guest(
        [&] {
            order += 'm';
            sleep_for(1ms);
        },
        {},
        [&](lowlevel::guest_run& guest) {
            EXPECT_TRUE(order.empty());
            EXPECT_NO_THROW(static_cast<void>(now()));
            EXPECT_NO_THROW(static_cast<void>(lowlevel::current_clock()));
            EXPECT_TRUE(lowlevel::current_run_token() == guest.token());
            lowlevel::spawn_system_task([&] { order += 's'; });
            guest.token().run_sync_soon([&] { order += 't'; });
            EXPECT_TRUE(order.empty());
            EXPECT_THROW(static_cast<void>(lowlevel::current_task()), not_in_task);
        });
    EXPECT_TRUE(how.has_value());
    std::ranges::sort(order);
    EXPECT_EQ(order, "mst");
}

// G7
TYPED_TEST(guest_surroundings, are_free_when_done_is_called) {
    std::optional<int> of_a_run;
    std::optional<int> of_a_guest;
    auto first = lowlevel::start_guest_run(
        [] { checkpoint(); }, this->host,
        [&](outcome<void>) {
            of_a_run = run([] {
                checkpoint();
                return 1;
            });
            lowlevel::start_guest_run(
                [] {
                    sleep_for(100us);
                    return 2;
                },
                this->host,
                [&](outcome<int> how) {
                    if (how.has_value()) of_a_guest = how.value();
                    this->host.stop();
                });
        });
    this->host.turn_until_stopped();
    EXPECT_TRUE(first.ended());
    EXPECT_EQ(of_a_run, 1);
    EXPECT_EQ(of_a_guest, 2);
}

// The callables live as long as the guest and no longer.
TYPED_TEST(guest_surroundings, keep_main_and_done_until_done_has_been_called) {
    std::weak_ptr<int> in_main;
    std::weak_ptr<int> in_done;
    {
        auto main = std::make_shared<int>(1);
        auto done = std::make_shared<int>(2);
        in_main = main;
        in_done = done;
        auto guest = lowlevel::start_guest_run(
            [main = std::move(main)] { checkpoint(); }, this->host,
            [&, done = std::move(done)](outcome<void>) {
                EXPECT_FALSE(in_main.expired());
                this->host.stop();
            });
        this->host.turn_until_stopped();
        EXPECT_TRUE(in_main.expired()) << "the handle keeps what it does not need";
        EXPECT_TRUE(in_done.expired());
        EXPECT_TRUE(guest.ended());
    }
}

TYPED_TEST(guest_surroundings, pass_on_the_variables_of_the_moment_of_the_start) {
    static task_local<int> name{0};
    static run_local<int> ours{0};
    auto token = name.set(5);
    const auto how = this->host_guest([] {
        const int seen = name.get();
        static_cast<void>(name.set(6));
        ours.get() = 7;
        sleep_for(100us);
        return seen * 10 + name.get();
    });
    EXPECT_EQ(how.value(), 56);
    EXPECT_EQ(name.get(), 5);
    name.reset(token);
}

// Two stacks of exceptions that are being handled: the host's in its turns, the guest's in its tasks.
TYPED_TEST(guest_surroundings, keep_exceptions_apart) {
    const auto how = this->host_guest([&] {
        try {
            throw std::runtime_error("the guest's");
        } catch (const std::runtime_error&) {
            this->host.post([] {
                EXPECT_EQ(std::current_exception(), nullptr);
                EXPECT_THROW(throw std::out_of_range("the host's"), std::out_of_range);
            });
            sleep_for(2ms);
            try {
                throw;
            } catch (const std::runtime_error& error) {
                return std::string(error.what());
            }
        }
    });
    EXPECT_EQ(how.value(), "the guest's");
}

TYPED_TEST(guest_surroundings, tell_instruments_of_one_run_from_its_begin_to_its_end) {
    recording_instrument recorder;
    const auto how = this->host_guest(
        [] {
            sleep_for(1ms);
            for (int i = 0; i < 3; ++i) checkpoint();
        },
        {.instruments = {&recorder}});
    EXPECT_TRUE(how.has_value());
    const auto count = [&](const char* hook) {
        return std::ranges::count(recorder.events(), hook, &recorded_event::hook);
    };
    ASSERT_FALSE(recorder.events().empty());
    EXPECT_EQ(recorder.events().front().hook, "before_run");
    EXPECT_EQ(recorder.events().back().hook, "after_run");
    EXPECT_EQ(count("before_run"), 1);
    EXPECT_EQ(count("after_run"), 1);
    EXPECT_EQ(count("before_task_step"), count("after_task_step"));
}

/// Waits come in pairs, and no step is taken in one.
class wait_watcher final : public instrument {
public:
    void before_io_wait(duration timeout) override {
        EXPECT_FALSE(waits_);
        waits_ = true;
        ++waits;
        if (timeout > 0ns) ++real_waits;
    }
    void after_io_wait(duration) override {
        EXPECT_TRUE(waits_);
        waits_ = false;
    }
    void before_task_step(task&) override { EXPECT_FALSE(waits_); }
    int waits = 0;
    int real_waits = 0;

private:
    bool waits_ = false;
};

TYPED_TEST(guest_surroundings, tell_instruments_of_waits_in_pairs) {
    wait_watcher watcher;
    const auto how = this->host_guest(
        [&] {
            this->in_its_sleep([] { lowlevel::spawn_system_task([] {}); });
            sleep_for(2ms);
            sleep_for(1ms);
        },
        {.instruments = {&watcher}});
    EXPECT_TRUE(how.has_value());
    EXPECT_GE(watcher.real_waits, 3);
}

TYPED_TEST(guest_surroundings, tell_instruments_of_waits_in_pairs_when_the_guest_is_drained) {
    for (const bool asleep : {false, true}) {
        wait_watcher watcher;
        auto guest =
            lowlevel::start_guest_run([] { sleep_for(1ms); }, this->host, [](auto&&) {}, {.instruments = {&watcher}});
        if (asleep) {
            this->in_its_sleep([&] { this->host.stop(); });
            this->host.turn_until_stopped();
        }
        guest.drain();
        EXPECT_GE(watcher.real_waits, 1);
    }
}

TYPED_TEST(guest_surroundings, let_the_seed_alone_decide_the_order) {
    const auto order_of = [&](std::uint64_t seed) {
        std::string order;
        const auto how = this->host_guest(
            [&] {
                open_nursery([&](nursery& n) {
                    for (char name = 'a'; name < 'i'; ++name) {
                        n.start_soon([&order, name] {
                            for (int i = 0; i < 5; ++i) {
                                order += name;
                                checkpoint();
                            }
                        });
                    }
                });
            },
            {.seed = seed});
        EXPECT_TRUE(how.has_value());
        return order;
    };
    EXPECT_EQ(order_of(7), order_of(7));
    EXPECT_NE(order_of(7), order_of(8));
}

// Host code has its turn between the batches of a seeded guest, however fast these are.
TYPED_TEST(guest_surroundings, alternate_with_the_batches_of_a_seeded_guest) {
    std::string order;
    const auto how = this->host_guest(
        [&] {
            for (int i = 0; i < 4; ++i) {
                this->host.post([&] { order += 'h'; });
                order += 'g';
                checkpoint();
            }
        },
        {.seed = 1});
    EXPECT_TRUE(how.has_value());
    EXPECT_EQ(order.substr(0, 7), "ghghghg");
}

TYPED_TEST(guest_surroundings, give_a_busy_guest_and_its_host_turns) {
    int turns = 0;
    const auto how = this->host_guest([&] {
        unique_function<void()>* again = nullptr;
        unique_function<void()> count = [&] {
            if (++turns < 10) this->host.post([&] { (*again)(); });
        };
        again = &count;
        this->host.post([&] { (*again)(); });
        while (turns < 10) checkpoint();
    });
    EXPECT_TRUE(how.has_value());
    EXPECT_EQ(turns, 10);
}

// A guest that spins in its idle moments still gives its host turn after turn.
TYPED_TEST(guest_surroundings, let_the_host_turn_while_the_guest_spins) {
    const auto how = this->host_guest(
        [&] {
            bool turned = false;
            this->host.post([&] { turned = true; });
            sleep_for(2ms);
            return turned;
        },
        {.spin_before_sleep = 1ms});
    EXPECT_TRUE(how.value());
    EXPECT_GT(this->host.hurries(), 5);
}

}  // namespace
}  // namespace tombolo::testing
