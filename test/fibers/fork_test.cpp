#include "test/fibers/thrown.hpp"
#include "test/support/mailbox.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

// What a child of fork() may do with its parent's run: nothing; and that the parent does not notice.

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::testing::mailbox;
using tb::testing::wait_all_tasks_blocked;
using testing::HasSubstr;

// How a child ended, and what it wrote to stderr. It ends by _exit(0) when `child` returns.
struct end_of_child {
    int status = 0;
    std::string printed;
    bool succeeded() const { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }
    bool aborted() const { return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT; }
};

class forked_child {
public:
    // True in the child.
    bool begin() {
        int ends[2];
        if (::pipe(ends) != 0) ADD_FAILURE() << "no pipe";
        pid_ = ::fork();
        const bool in_child = pid_ == 0;
        if (in_child) ::dup2(ends[1], STDERR_FILENO);
        ::close(ends[1]);
        if (in_child)
            ::close(ends[0]);
        else
            read_end_ = ends[0];
        return in_child;
    }
    end_of_child end() {
        end_of_child result;
        char bytes[512];
        for (ssize_t n; (n = ::read(read_end_, bytes, sizeof bytes)) > 0;)
            result.printed.append(bytes, static_cast<std::size_t>(n));
        ::close(read_end_);
        EXPECT_EQ(::waitpid(pid_, &result.status, 0), pid_);
        return result;
    }

private:
    pid_t pid_ = -1;
    int read_end_ = -1;
};

// In a child, where GoogleTest's report would be lost: complains on stderr, which the parent reads.
void expect_in_child(bool condition, const std::string& what) {
    if (!condition) std::fprintf(stderr, "child: not so: %s\n", what.c_str());
}

template <class F>
end_of_child in_child(F&& child) {
    forked_child forked;
    if (forked.begin()) {
        child();
        ::_exit(0);
    }
    return forked.end();
}

// Empty when `f` throws forked_run with a text that says what to do.
std::string without_refusal(const std::function<void()>& f) {
    try {
        f();
        return "returned";
    } catch (const tb::forked_run& error) {
        const std::string text = error.what();
        return text.find("exec or _exit") != std::string::npos ? "" : text;
    } catch (...) {
        return tb::describe(std::current_exception());
    }
}

TOMBOLO_TEST(fork, lets_a_child_that_was_forked_in_a_task_call_nothing_that_goes_on_with_the_run) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    tb::open_nursery([&](tb::nursery& n) {
        const auto token = tb::lowlevel::current_run_token();
        tb::capacity_limiter limiter(1);
        const std::vector<std::pair<const char*, std::function<void()>>> calls{
            {"checkpoint", [] { tb::checkpoint(); }},
            {"checkpoint_if_cancelled", [] { tb::lowlevel::checkpoint_if_cancelled(); }},
            {"cancel_shielded_checkpoint", [] { tb::lowlevel::cancel_shielded_checkpoint(); }},
            {"sleep_for", [] { tb::sleep_for(1s); }},
            {"sleep_forever", [] { tb::sleep_forever(); }},
            {"wait_readable", [&] { tb::lowlevel::wait_readable(ends[0]); }},
            {"park",
             [] {
                 tb::lowlevel::park<void>(
                     [](const tb::lowlevel::raise_cancel&) { return tb::lowlevel::abort::failed; });
             }},
            {"open_nursery", [] { tb::open_nursery([](tb::nursery&) {}); }},
            {"start_soon", [&] { n.start_soon([] {}); }},
            {"start", [&] { n.start([](tb::task_status<>& status) { status.started(); }); }},
            {"spawn_system_task", [] { tb::lowlevel::spawn_system_task([] {}); }},
            {"acquire", [&] { limiter.acquire(); }},
            {"to_thread", [] { tb::to_thread([] {}); }},
            {"run_sync_soon", [&] { token.run_sync_soon([] {}); }},
            {"run_sync_soon with a key", [&] { token.run_sync_soon([] {}, {.idempotent = &token}); }},
            {"current_run_token", [] { tb::lowlevel::current_run_token().run_sync_soon([] {}); }},
        };
        const end_of_child child = in_child([&] {
            for (const auto& [name, call] : calls) {
                const std::string unexpected = without_refusal(call);
                expect_in_child(unexpected.empty(), std::string(name) + ": " + unexpected);
            }
        });
        EXPECT_TRUE(child.succeeded()) << child.status;
        EXPECT_EQ(child.printed, "");
    });
    ::close(ends[0]);
    ::close(ends[1]);
}

TOMBOLO_TEST(fork, bars_the_run_also_where_blocking_was_refused_for_another_reason) {
    const auto refuse = [](const char* where) {
        const std::string unexpected = without_refusal([] { tb::checkpoint(); });
        expect_in_child(unexpected.empty(), std::string(where) + ": " + unexpected);
    };
    std::optional<tb::no_checkpoint> section(std::in_place);
    const end_of_child child = in_child([&] {
        refuse("inside the section");
        section.reset();
        refuse("behind the section");
    });
    section.reset();
    EXPECT_TRUE(child.succeeded());
    EXPECT_EQ(child.printed, "");
    tb::checkpoint();
}

TOMBOLO_TEST(fork, lets_the_refusal_unwind_the_childs_scopes) {
    tb::cancel_scope scope;
    forked_child forked;
    bool child = false;
    std::string unwound;
    try {
        tb::move_on_after(1h, [&] {
            scope.run([&] {
                tb::open_nursery([&](tb::nursery&) {
                    child = forked.begin();
                    if (child) tb::checkpoint();
                });
            });
        });
    } catch (const tb::exception_group& group) {
        unwound = group.what();
    }
    if (child) {
        expect_in_child(unwound.find("exec or _exit") != std::string::npos, unwound);
        ::_exit(0);
    }
    const end_of_child end = forked.end();
    EXPECT_TRUE(end.succeeded());
    EXPECT_EQ(end.printed, "");
}

TOMBOLO_TEST(fork, aborts_a_child_that_leaves_a_nursery_with_living_tasks) {
    forked_child forked;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([] { tb::sleep_for(1s); });
        if (forked.begin()) return;
        const end_of_child end = forked.end();
        EXPECT_TRUE(end.aborted());
        EXPECT_THAT(end.printed, HasSubstr("a nursery with living tasks is left"));
        EXPECT_THAT(end.printed, HasSubstr("exec or _exit"));
    });
}

TOMBOLO_TEST(fork, aborts_a_child_that_reaches_the_end_of_its_task) {
    for (const bool fails : {false, true})
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon(
                [&] {
                    forked_child forked;
                    if (forked.begin()) {
                        if (fails) tb::checkpoint();
                        return;
                    }
                    const end_of_child end = forked.end();
                    EXPECT_TRUE(end.aborted());
                    EXPECT_THAT(end.printed, HasSubstr("task \"forker\" has ended"));
                    EXPECT_THAT(end.printed, HasSubstr("exec or _exit"));
                    EXPECT_EQ(end.printed.find("forked_run") != std::string::npos, fails);
                },
                {.name = "forker"});
        });
}

TOMBOLO_TEST(fork, aborts_a_child_that_returns_from_an_instrument) {
    struct forks : tb::instrument {
        forked_child forked;
        end_of_child end;
        bool armed = true;
        void before_io_wait(tb::duration) override {
            if (!armed) return;
            armed = false;
            if (!forked.begin()) end = forked.end();
        }
    } watcher;
    tb::lowlevel::add_instrument(&watcher);
    tb::sleep_for(1s);
    tb::lowlevel::remove_instrument(watcher);
    EXPECT_FALSE(watcher.armed);
    EXPECT_TRUE(watcher.end.aborted());
    EXPECT_THAT(watcher.end.printed, HasSubstr("exec or _exit"));
}

// The parent's epoll set is one with the child's.
TOMBOLO_TEST(fork, leaves_the_parents_descriptors_alone_when_the_child_cancels_and_closes) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    bool readable = false;
    tb::cancel_scope waiting;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            waiting.run([&] {
                tb::lowlevel::wait_readable(ends[0]);
                readable = true;
            });
        });
        wait_all_tasks_blocked();
        const end_of_child child = in_child([&] {
            waiting.cancel();
            n.cancel_scope().cancel();
            tb::lowlevel::notify_closing(ends[0]);
        });
        EXPECT_TRUE(child.succeeded());
        EXPECT_EQ(child.printed, "");
        EXPECT_EQ(::write(ends[1], "x", 1), 1);
    });
    EXPECT_TRUE(readable);
    ::close(ends[0]);
    ::close(ends[1]);
}

TOMBOLO_TEST(fork, does_not_disturb_the_parent) {
    const end_of_child child = in_child([] {});
    EXPECT_TRUE(child.succeeded());
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([] { tb::sleep_for(1s); });
        tb::checkpoint();
    });
    EXPECT_EQ(tb::to_thread([] { return 1; }), 1);
}

int small_program() {
    int sum = 0;
    tb::run([&] {
        tb::open_nursery([&](tb::nursery& n) {
            for (int i = 1; i <= 3; ++i)
                n.start_soon([&sum, i] {
                    tb::sleep_for(1us);
                    sum += i;
                });
        });
        try {
            tb::open_nursery([](tb::nursery& n) { n.start_soon([] { throw std::runtime_error("caught"); }); });
        } catch (const tb::exception_group&) {
            ++sum;
        }
    });
    return sum;
}

TEST(fork, allows_a_run_in_a_child_that_was_forked_outside_runs) {
    EXPECT_EQ(small_program(), 7);
    const end_of_child child = in_child([] { expect_in_child(small_program() == 7, "a run of its own"); });
    EXPECT_TRUE(child.succeeded());
    EXPECT_EQ(child.printed, "");
    EXPECT_EQ(small_program(), 7);
}

TEST(fork, allows_a_run_of_its_own_in_a_child_that_was_forked_inside_one) {
    for (int i = 0; i < 2; ++i)
        tb::run([&] {
            const end_of_child child = in_child([] {
                expect_in_child(small_program() == 7, "a run of its own");
                expect_in_child(small_program() == 7, "another one");
                // The parent's is still barred.
                const std::string unexpected = without_refusal([] { tb::checkpoint(); });
                expect_in_child(unexpected.empty(), unexpected);
            });
            EXPECT_TRUE(child.succeeded()) << child.status;
            EXPECT_EQ(child.printed, "");
            tb::checkpoint();
        });
}

TEST(fork, bars_each_run_in_the_child_of_a_child) {
    tb::run([&] {
        const end_of_child child = in_child([] {
            tb::run([] {
                const end_of_child grandchild = in_child([] {
                    const std::string unexpected = without_refusal([] { tb::checkpoint(); });
                    expect_in_child(unexpected.empty(), unexpected);
                });
                expect_in_child(
                    grandchild.succeeded() && grandchild.printed.empty(), "grandchild: " + grandchild.printed);
                tb::checkpoint();
            });
        });
        EXPECT_TRUE(child.succeeded());
        EXPECT_EQ(child.printed, "");
    });
}

// The token of another thread's run: its thread does not exist in the child.
TEST(fork, bars_the_tokens_of_other_threads_runs) {
    std::optional<tb::lowlevel::run_token> token;
    mailbox<> ready, go;
    std::jthread other([&] {
        tb::run([&] {
            token = tb::lowlevel::current_run_token();
            ready.put();
            tb::to_thread([&] { go.get(); });
        });
    });
    ready.get();
    const end_of_child child = in_child([&] {
        for (const auto& call : std::vector<std::function<void()>>{
                 [&] { token->run_sync_soon([] {}); }, [&] { tb::from_thread::run([] {}, *token); },
                 [&] { tb::from_thread::run_sync([] {}, *token); }}) {
            const std::string unexpected = without_refusal(call);
            expect_in_child(unexpected.empty(), unexpected);
        }
        expect_in_child(small_program() == 7, "a run of its own");
    });
    EXPECT_TRUE(child.succeeded()) << child.status;
    EXPECT_EQ(child.printed, "");
    go.put();
}

TOMBOLO_TEST(fork, bars_the_run_in_a_child_forked_by_a_thread_that_works_for_it) {
    const end_of_child child = tb::to_thread([] {
        return in_child([] {
            for (const auto& call : std::vector<std::function<void()>>{
                     [] { tb::from_thread::run([] {}); }, [] { tb::from_thread::run_sync([] {}); }}) {
                const std::string unexpected = without_refusal(call);
                expect_in_child(unexpected.empty(), unexpected);
            }
        });
    });
    EXPECT_TRUE(child.succeeded());
    EXPECT_EQ(child.printed, "");
}

TEST(fork, gives_ctrl_c_back_to_a_child) {
    tb::run([] {
        const end_of_child child = in_child([] { ::raise(SIGINT); });
        EXPECT_TRUE(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGINT) << child.status;
        tb::checkpoint();
    });
    tb::run([] {
        const end_of_child child = in_child([] {
            bool interrupted = false;
            try {
                tb::run([] {
                    ::raise(SIGINT);
                    tb::sleep_forever();
                });
            } catch (const tb::keyboard_interrupt&) {
                interrupted = true;
            }
            expect_in_child(interrupted, "a run of its own takes interrupts");
        });
        EXPECT_TRUE(child.succeeded()) << child.status;
        EXPECT_EQ(child.printed, "");
    });
}

}  // namespace
