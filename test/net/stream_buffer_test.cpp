#include <tombolo/fibers/stream_buffer.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/net/unix_stream.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <iomanip>
#include <ios>
#include <iostream>
#include <string>
#include <string_view>

namespace tombolo::testing {
namespace {

using net::unix_stream;

TOMBOLO_TEST(stream_iostream, talks_in_lines) {
    auto [near, far] = unix_stream::pair();
    open_nursery([&, &near = near, &far = far](nursery& n) {
        n.start_soon([&] {
            stream_iostream io(far);
            int sum = 0;
            for (int number = 0; io >> number;) sum += number;
            io.clear();
            io << "sum: " << std::setw(4) << sum << std::endl;
            far.close();
        });
        stream_iostream io(near);
        io << 1 << ' ' << 20 << '\n' << 300 << '\n' << std::flush;
        near.send_eof();
        std::string line;
        EXPECT_TRUE(std::getline(io, line));
        EXPECT_EQ(line, "sum:  321");
        EXPECT_FALSE(std::getline(io, line));
        EXPECT_TRUE(io.eof());
        EXPECT_FALSE(io.bad());
    });
}

TOMBOLO_TEST(stream_iostream, keeps_what_is_written_until_it_is_flushed) {
    auto [near, far] = unix_stream::pair();
    stream_iostream io(near, 8);
    io << "abc";
    EXPECT_FALSE(far.socket().is_readable());
    io << std::flush;
    EXPECT_TRUE(far.socket().is_readable());
    io << "0123456789" << "ABCDEFGHIJKLMNOPQRSTUVWXYZ" << 'x';
    std::string got(64, ' ');
    got.resize(far.receive_some(got));
    EXPECT_EQ(got, "abc0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

TOMBOLO_TEST(stream_iostream, moves_large_blocks) {
    auto [near, far] = unix_stream::pair();
    const std::string sent(1'000'000, 'x');
    open_nursery([&, &near = near, &far = far](nursery& n) {
        n.start_soon([&] {
            stream_iostream out(near);
            out << "head " << sent << std::flush;
            near.close();
        });
        stream_iostream in(far, 100);
        std::string head;
        in >> head;
        EXPECT_EQ(head, "head");
        in.get();
        std::string got(sent.size(), ' ');
        in.read(got.data(), static_cast<std::streamsize>(got.size()));
        EXPECT_TRUE(got == sent);
        in.read(got.data(), 1);
        EXPECT_TRUE(in.eof());
        EXPECT_EQ(in.gcount(), 0);
    });
}

TOMBOLO_TEST(stream_iostream, gives_back_what_was_received_and_not_read) {
    auto [near, far] = unix_stream::pair();
    far.send_all("line\nbinary");
    stream_iostream io(near);
    std::string line;
    std::getline(io, line);
    EXPECT_EQ(io.buffer().received().text(), "binary");
}

TOMBOLO_TEST(stream_iostream, lets_other_tasks_run_while_it_waits_and_not_when_it_has_bytes) {
    auto [near, far] = unix_stream::pair();
    far.send_all("one\ntwo\n");
    stream_iostream io(near);
    std::string line;
    assert_checkpoints([&] { std::getline(io, line); });
    assert_no_checkpoints([&] { std::getline(io, line); });
    EXPECT_EQ(line, "two");
    assert_no_checkpoints([&] { io << "x"; });
    assert_checkpoints([&] { io.flush(); });
}

TOMBOLO_TEST(stream_iostream, lets_a_cancel_pass) {
    auto [near, far] = unix_stream::pair();
    stream_iostream io(near);
    cancel_scope scope;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            bool went_on = false;
            EXPECT_FALSE(scope.run([&] {
                std::string line;
                std::getline(io, line);
                went_on = true;
            }));
            EXPECT_FALSE(went_on);
        });
        wait_all_tasks_blocked();
        scope.cancel();
    });
    EXPECT_TRUE(io.bad());
    io.clear();
    far.send_all("nothing was lost\n");
    std::string line;
    std::getline(io, line);
    EXPECT_EQ(line, "nothing was lost");
}

TOMBOLO_TEST(stream_buffer, turns_a_cancel_into_badbit_on_a_plain_istream_and_the_next_checkpoint_throws_it) {
    auto [near, far] = unix_stream::pair();
    stream_buffer buffer(near);
    std::istream in(&buffer);
    cancel_scope scope;
    scope.cancel();
    bool swallowed = false;
    EXPECT_FALSE(scope.run([&] {
        std::string line;
        std::getline(in, line);
        swallowed = in.bad();
        checkpoint();
    }));
    EXPECT_TRUE(swallowed);
}

TOMBOLO_TEST(stream_iostream, throws_the_streams_own_errors_and_sends_nothing_twice) {
    auto [near, far] = unix_stream::pair();
    far.close();
    stream_iostream io(near);
    io << "lost";
    EXPECT_THROW(io.flush(), broken_stream);
    EXPECT_TRUE(io.bad());
    io.clear();
    io << "more";
    EXPECT_THROW(io.flush(), broken_stream);
    near.close();
    io.clear();
    char byte = 0;
    EXPECT_THROW(io.read(&byte, 1), closed_resource);
}

TOMBOLO_TEST(stream_iostream, runs_on_the_abstract_stream_too) {
    auto [near, far] = unix_stream::pair();
    const std::unique_ptr<stream> any = make_stream(std::move(near));
    stream_iostream<stream> io(*any);
    io << "hello" << std::flush;
    char room[5];
    EXPECT_EQ(far.receive_some(room), 5U);
}

}  // namespace
}  // namespace tombolo::testing
