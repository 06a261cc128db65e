#include "test/fibers/abort_table.hpp"
#include "test/os/children.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/os/run_process.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <functional>
#include <optional>
#include <string>

// The rows of processes and of streams over descriptors. Children here end when they are told to.

namespace tombolo::testing {
namespace {

using os::fd_stream;
using os::open_pipe;
using os::open_process;
using os::pipe_ends;
using os::process;
using os::run_process;

/// `others` goes on in a task of its own once everybody waits.
void meanwhile(const std::function<void()>& others, const std::function<void()>& main) {
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            wait_all_tasks_blocked();
            others();
        });
        main();
    });
}

void receive(attempt& make, bool sent_before) {
    pipe_ends ends = open_pipe();
    std::string got(8, '\0');
    bool completed = false;
    if (sent_before) ends.writer.send_all("kept");
    meanwhile(
        [&] {
            if (!sent_before) ends.writer.send_all("kept");
        },
        [&] { completed = make([&] { got.resize(ends.reader.receive_some(got)); }); });
    ends.writer.close();
    if (completed) {
        EXPECT_EQ(got, "kept");
    } else {
        EXPECT_EQ(receive_to_end(ends.reader), "kept");
    }
}

void send(attempt& make, std::size_t size) {
    const std::string bytes(size, 'x');
    pipe_ends ends = open_pipe();
    std::string got;
    meanwhile(
        [&] { got = receive_to_end(ends.reader); },
        [&] {
            const scope_exit end([&] { ends.writer.close(); });
            if (make([&] { ends.writer.send_all(bytes); })) {
                EXPECT_TRUE(ends.writer.is_open());
            }
        });
    EXPECT_LE(got.size(), size);
}

void wait_for_room(attempt& make, bool full) {
    pipe_ends ends = open_pipe();
    const std::string large(1 << 20, 'x');
    if (full) static_cast<void>(ends.writer.write_some(std::array{const_bytes(large)}));
    meanwhile(
        [&] {
            if (full) ends.reader.receive_some(std::string(65536, '\0'));
        },
        [&] { make([&] { ends.writer.wait_send_all_might_not_block(); }); });
    ends.writer.send_all("still good");
}

void with_cat(const std::function<void(process&)>& main) {
    process child = open_process({"cat"}, {.standard_input = os::redirect::pipe});
    const killed_in_the_end guard(child);
    main(child);
}

const operation_rows fd_streams{
    {"fd_stream_receive_some", true, [](attempt& make) { receive(make, false); }},
    {"fd_stream_receive_some_at_once", true, [](attempt& make) { receive(make, true); }},
    {"fd_stream_send_all", true, [](attempt& make) { send(make, 1 << 18); }},
    {"fd_stream_send_all_at_once", true, [](attempt& make) { send(make, 1); }},
    {"fd_stream_send_nothing", true, [](attempt& make) { send(make, 0); }},
    {"fd_stream_wait_send_all_might_not_block", true, [](attempt& make) { wait_for_room(make, true); }},
    {"fd_stream_wait_send_all_might_not_block_at_once", true, [](attempt& make) { wait_for_room(make, false); }},
    {"fd_stream_aclose", true,
     [](attempt& make) {
         pipe_ends ends = open_pipe();
         make([&] { ends.writer.aclose(); });
         EXPECT_FALSE(ends.writer.is_open());
     }},
    {"stapled_stream_aclose", true,
     [](attempt& make) {
         pipe_ends out = open_pipe();
         pipe_ends in = open_pipe();
         os::stapled_stream<fd_stream&, fd_stream&> both(out.writer, in.reader);
         make([&] { both.aclose(); });
         EXPECT_FALSE(out.writer.is_open());
         EXPECT_FALSE(in.reader.is_open());
     }},
};

const operation_rows processes{
    {"open_process", true,
     [](attempt& make) {
         std::optional<process> child;
         const bool completed = make([&] { child.emplace(open_process({"sleep", "1000000"})); });
         EXPECT_EQ(completed, child.has_value());
         if (!child) return;
         const killed_in_the_end guard(*child);
         child->kill();
         EXPECT_EQ(child->wait(), -SIGKILL);
     }},
    {"process_wait", true,
     [](attempt& make) {
         with_cat([&](process& child) {
             std::optional<int> code;
             meanwhile(
                 [&] { child.standard_input().close(); },
                 [&] {
                     const bool completed = make([&] { code = child.wait(); });
                     EXPECT_EQ(completed, code.has_value());
                 });
             EXPECT_EQ(code.value_or(0), 0);
         });
     }},
    {"process_wait_in_a_queue", true,
     [](attempt& make) {
         with_cat([&](process& child) {
             int others = 0;
             open_nursery([&](nursery& n) {
                 for (int i = 0; i < 2; ++i) n.start_soon([&] { others += child.wait() == 0; });
                 n.start_soon([&] {
                     wait_all_tasks_blocked();
                     child.standard_input().close();
                 });
                 make([&] { EXPECT_EQ(child.wait(), 0); });
             });
             EXPECT_EQ(others, 2);
         });
     }},
    {"run_process", true,
     [](attempt& make) {
         std::string output;
         const bool completed = make([&] {
             output =
                 run_process({"cat"}, {.input = "x", .capture_output = true, .deliver_cancel = &process::kill}).output;
         });
         EXPECT_EQ(output, completed ? "x" : "");
     }},
};

}  // namespace
}  // namespace tombolo::testing
