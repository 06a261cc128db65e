#include "test/fibers/thrown.hpp"
#include "test/support/mailbox.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/threads.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

namespace tb = tombolo;
namespace from_thread = tb::from_thread;
using namespace std::chrono_literals;
using tb::lowlevel::current_run_token;
using tb::lowlevel::run_token;
using tb::testing::mailbox;
using tb::testing::text_of;
using tb::testing::thrown_by;

// case 79: run during shutdown
TEST(threads_at_shutdown, are_served_as_long_as_a_system_task_waits_for_them) {
    bool cancelled = false;
    int served = 0;
    tb::run([&] {
        tb::lowlevel::spawn_system_task([&, token = current_run_token()] {
            try {
                tb::sleep_forever();
            } catch (const tb::cancelled&) {
                tb::cancel_scope shield{{.shield = true}};
                shield.run([&] {
                    tb::to_thread([&] {
                        // A new system task comes too late to wait for anything.
                        cancelled =
                            tb::is_cancelled(thrown_by([&] { from_thread::run([] { tb::checkpoint(); }, token); }));
                        served += from_thread::run([] {
                            tb::checkpoint();
                            return 1;
                        });
                        served += from_thread::run_sync([] { return 2; });
                        served += from_thread::run_sync([] { return 4; }, token);
                    });
                });
                throw;
            }
        });
        tb::checkpoint();
    });
    EXPECT_TRUE(cancelled);
    EXPECT_EQ(served, 7);
}

// Calls `f` when the last system task has ended.
struct at_the_end : tb::instrument {
    std::function<void()> f;
    const tb::task* last = nullptr;
    void task_exited(tb::task& exited) override {
        if (&exited == last) f();
    }
};

TEST(threads_at_shutdown, find_no_system_task_any_more_when_the_last_one_has_ended) {
    mailbox<> go;
    mailbox<std::string> text;
    std::optional<run_token> token;
    std::jthread foreign;
    at_the_end end;
    end.f = [&] {
        go.put();
        while (tb::lowlevel::current_statistics().run_sync_soon_queue_size == 0) std::this_thread::yield();
    };
    tb::run(
        [&] {
            token = current_run_token();
            end.last = &tb::lowlevel::spawn_system_task([] { tb::sleep_forever(); });
            foreign = std::jthread([&] {
                go.get();
                text.put(text_of<tb::run_finished>([&] { from_thread::run([] {}, *token); }));
            });
        },
        {.instruments = {&end}});
    EXPECT_THAT(text.get(), testing::HasSubstr("from_thread::run: the run's main task has ended"));
}

// case 79: await_while_main_exits
TEST(threads_at_shutdown, get_cancelled_out_of_what_still_runs_for_them_when_main_ends) {
    bool cancelled = false;
    std::jthread foreign;
    tb::run([&] {
        mailbox<> sleeping;
        foreign = std::jthread([&cancelled, &sleeping, token = current_run_token()] {
            cancelled = tb::is_cancelled(thrown_by([&] {
                from_thread::run(
                    [&] {
                        sleeping.put();
                        tb::sleep_forever();
                    },
                    token);
            }));
        });
        tb::to_thread([&] { sleeping.get(); });
    });
    foreign.join();
    EXPECT_TRUE(cancelled);
}

TEST(threads_at_shutdown, are_awaited_by_the_run_when_their_call_may_not_be_abandoned) {
    mailbox<> go;
    bool finished = false;
    std::jthread other;
    EXPECT_THROW(
        tb::run([&] {
            tb::open_nursery([&](tb::nursery& n) {
                n.start_soon([&] {
                    tb::to_thread([&] {
                        go.get();
                        finished = true;
                    });
                });
                tb::checkpoint();
                tb::checkpoint();
                other = std::jthread([&] { go.put(); });
                throw std::runtime_error("main fails");
            });
        }),
        tb::exception_group);
    EXPECT_TRUE(finished);
}

// A crash of the run cancels everything at once; a thread whose call may not be abandoned has to be awaited all the same.
TEST(threads_at_shutdown, can_still_deliver_when_the_run_has_crashed) {
    mailbox<> go;
    bool finished = false;
    int served = 0;
    EXPECT_THROW(
        tb::run([&] {
            tb::open_nursery([&](tb::nursery& n) {
                n.start_soon([&] {
                    tb::to_thread([&] {
                        go.get();
                        served = from_thread::run_sync([] { return 1; });
                        finished = true;
                    });
                });
                tb::checkpoint();
                tb::checkpoint();
                n.start_soon([&] {
                    tb::cancel_scope shield{{.shield = true}};
                    shield.run([&] {
                        for (int i = 0; i < 10; ++i) tb::checkpoint();
                        go.put();
                    });
                });
                const auto bad_abort = [](const tb::lowlevel::raise_cancel&) -> tb::lowlevel::abort {
                    throw std::logic_error("an abort function that throws");
                };
                tb::move_on_after(0s, [&] { tb::lowlevel::park<void>(bad_abort); });
            });
        }),
        tb::internal_error);
    EXPECT_TRUE(finished);
    EXPECT_EQ(served, 1);
}

TEST(threads_at_shutdown, fail_a_call_whose_system_task_never_started) {
    // Accepted, but behind the end of everything: the thread must not wait for ever.
    mailbox<std::string> text;
    std::jthread foreign;
    tb::run([&] {
        foreign = std::jthread([&text, token = current_run_token()] {
            try {
                for (;;) from_thread::run([] {}, token);
            } catch (const tb::run_finished& error) {
                text.put(error.what());
            } catch (const tb::cancelled&) {
                text.put("cancelled");
            }
        });
        for (int i = 0; i < 20; ++i) tb::checkpoint();
    });
    EXPECT_NE(text.get(), "");
}

}  // namespace
