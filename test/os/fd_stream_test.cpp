#include <tombolo/fibers/os/fd_stream.hpp>

#include "test/fibers/thrown.hpp"
#include "test/support/descriptors.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tombolo::os {
namespace {

using testing::assert_checkpoints;
using testing::assert_no_checkpoints;
using ::testing::HasSubstr;
using testing::open_sockets;
using testing::text_of;
using testing::thrown_by;
using testing::wait_all_tasks_blocked;

std::string receive(fd_stream& from, std::size_t most = 4096) {
    std::string bytes(most, '\0');
    bytes.resize(from.receive_some(bytes));
    return bytes;
}

std::string receive_all(fd_stream& from) {
    std::string all;
    for (std::string part = receive(from, 65536); !part.empty(); part = receive(from, 65536)) all += part;
    return all;
}

std::string pattern(std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 251);
    return bytes;
}

void fill(fd_stream& to) {
    const std::array<char, 4096> part{};
    while (::write(to.fd(), part.data(), part.size()) > 0) {}
    ASSERT_EQ(errno, EAGAIN);
}

unique_fd open_file(const char* path, int flags) {
    unique_fd fd(::open(path, flags | O_CLOEXEC));
    EXPECT_TRUE(fd) << path;
    return fd;
}

bool sigpipe_is_pending() {
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGPIPE) == 1;
}

static_assert(is_stream<fd_stream> && !is_half_closeable_stream<fd_stream>);

TOMBOLO_TEST(fd_stream, carries_bytes_through_a_pipe_until_its_end) {
    auto [reader, writer] = open_pipe();
    assert_checkpoints([&] { writer.send_all("one "); });
    writer.send_all("two");
    EXPECT_EQ(receive(reader), "one two");
    assert_checkpoints([&] { writer.aclose(); });
    EXPECT_EQ(assert_checkpoints([&] { return receive(reader); }), "");
    EXPECT_EQ(receive(reader), "") << "and again";
}

TOMBOLO_TEST(fd_stream, carries_a_megabyte_each_way_at_once) {
    open_sockets sockets;
    fd_stream near(std::move(sockets.near));
    fd_stream far(std::move(sockets.far));
    const std::string bytes = pattern(1 << 20);
    std::string there;
    std::string back;
    const auto send = [&](fd_stream& through) {
        through.send_all(bytes);
        ::shutdown(through.fd(), SHUT_WR);
    };
    open_nursery([&](nursery& n) {
        n.start_soon([&] { send(near); });
        n.start_soon([&] { send(far); });
        n.start_soon([&] { there = receive_all(far); });
        n.start_soon([&] { back = receive_all(near); });
    });
    EXPECT_TRUE(there == bytes);
    EXPECT_TRUE(back == bytes);
}

TOMBOLO_TEST(fd_stream, sends_several_buffers_in_their_order) {
    auto [reader, writer] = open_pipe();
    const std::string large = pattern(200'000);
    std::vector<const_bytes> buffers{"a", "", large, "bc", ""};
    for (int i = 0; i < 40; ++i) buffers.emplace_back("x");
    std::string all;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { all = receive_all(reader); });
        writer.send_all(buffers);
        writer.close();
    });
    EXPECT_TRUE(all == "a" + large + "bc" + std::string(40, 'x'));
}

TOMBOLO_TEST(fd_stream, waits_for_room_before_it_says_that_sending_might_not_block) {
    auto [reader, writer] = open_pipe();
    assert_checkpoints([&] { writer.wait_send_all_might_not_block(); });
    fill(writer);
    bool room = false;
    open_nursery([&, &to = writer, &from = reader](nursery& n) {
        n.start_soon([&] {
            to.wait_send_all_might_not_block();
            room = true;
        });
        wait_all_tasks_blocked();
        EXPECT_FALSE(room);
        static_cast<void>(receive(from, 65536));
    });
    EXPECT_TRUE(room);
    assert_checkpoints([&] { writer.wait_send_all_might_not_block(); });
}

TOMBOLO_TEST(fd_stream, sends_nothing_with_a_checkpoint_and_a_look_whether_it_is_open) {
    auto [reader, writer] = open_pipe();
    assert_checkpoints([&] { writer.send_all(""); });
    writer.close();
    EXPECT_THROW(writer.send_all(""), closed_resource);
}

TOMBOLO_TEST(fd_stream, refuses_an_empty_buffer) {
    auto [reader, writer] = open_pipe();
    EXPECT_THROW(reader.receive_some(mutable_bytes()), invalid_count);
}

TOMBOLO_TEST(fd_stream, lets_one_task_at_a_time_into_each_direction) {
    auto [reader, writer] = open_pipe();
    fill(writer);
    auto [empty, other] = open_pipe();
    open_nursery([&, &to = writer, &from = empty](nursery& n) {
        n.start_soon([&] { EXPECT_THROW(to.send_all("x"), closed_resource); });
        n.start_soon([&] { EXPECT_THROW(from.receive_some(std::array<char, 1>()), closed_resource); });
        wait_all_tasks_blocked();
        EXPECT_THAT(text_of<busy_resource>([&] { to.send_all("x"); }), HasSubstr("send_all"));
        EXPECT_THROW(to.send_all(""), busy_resource);
        EXPECT_THROW(to.wait_send_all_might_not_block(), busy_resource);
        EXPECT_THROW(receive(from), busy_resource);
        to.close();
        from.close();
    });
}

// Case 89: close_at_bad_time_for_receive_some, close_at_bad_time_for_send_all.
TOMBOLO_TEST(fd_stream, wakes_who_waits_when_it_is_closed_although_it_became_ready_too) {
    auto [reader, writer] = open_pipe();
    open_nursery([&, &to = writer, &from = reader](nursery& n) {
        n.start_soon([&] { EXPECT_THROW(receive(from), closed_resource); });
        wait_all_tasks_blocked();
        EXPECT_EQ(::write(to.fd(), "x", 1), 1);
        assert_no_checkpoints([&] { from.close(); });
    });
    auto [drain, full] = open_pipe();
    fill(full);
    open_nursery([&, &to = full, &from = drain](nursery& n) {
        n.start_soon([&] { EXPECT_THROW(to.send_all("x"), closed_resource); });
        wait_all_tasks_blocked();
        std::array<char, 65536> part{};
        while (::read(from.fd(), part.data(), part.size()) > 0) {}
        to.close();
    });
}

// Case 89: misdirected_aclose_regression. The number of the closed descriptor is another pipe's at once.
TOMBOLO_TEST(fd_stream, does_not_touch_the_descriptor_that_got_its_number) {
    auto [reader, writer] = open_pipe();
    open_nursery([&, &from = reader](nursery& n) {
        n.start_soon([&] { EXPECT_THROW(receive(from), closed_resource); });
        wait_all_tasks_blocked();
        const int number = from.fd();
        from.close();
        auto [other_reader, other_writer] = open_pipe();
        EXPECT_EQ(other_reader.fd(), number);
        other_writer.send_all("for others");
        wait_all_tasks_blocked();
        EXPECT_EQ(receive(other_reader), "for others");
    });
}

TOMBOLO_TEST(fd_stream, is_closed_for_good_by_aclose_also_when_that_is_cancelled) {
    auto [reader, writer] = open_pipe();
    const int number = writer.fd();
    cancel_scope scope;
    scope.cancel();
    EXPECT_FALSE(scope.run([&, &to = writer] { to.aclose(); }));
    EXPECT_FALSE(writer.is_open());
    EXPECT_EQ(::fcntl(number, F_GETFD), -1);
    EXPECT_EQ(writer.fd(), -1);
    assert_checkpoints([&] { writer.aclose(); });
    assert_no_checkpoints([&] { writer.close(); });
    EXPECT_THROW(writer.send_all("x"), closed_resource);
    EXPECT_THROW(writer.wait_send_all_might_not_block(), closed_resource);
    EXPECT_THROW(receive(writer), closed_resource);
    EXPECT_THROW(static_cast<void>(writer.release()), closed_resource);
}

TOMBOLO_TEST(fd_stream, takes_nothing_when_it_is_cancelled) {
    auto [reader, writer] = open_pipe();
    writer.send_all("kept");
    cancel_scope scope;
    scope.cancel();
    EXPECT_FALSE(scope.run([&, &from = reader] { static_cast<void>(receive(from)); }));
    EXPECT_EQ(receive(reader), "kept");
}

TOMBOLO_TEST(fd_stream, is_broken_by_a_reader_that_went_away_and_lives_on_without_sigpipe) {
    auto [reader, writer] = open_pipe();
    reader.close();
    EXPECT_THAT(text_of<broken_stream>([&] { writer.send_all("x"); }), HasSubstr("Broken pipe"));
    EXPECT_THROW(writer.send_all("x"), broken_stream);
    EXPECT_FALSE(sigpipe_is_pending());
}

TOMBOLO_TEST(fd_stream, is_broken_by_a_reader_that_goes_away_while_it_waits) {
    auto [reader, writer] = open_pipe();
    fill(writer);
    open_nursery([&, &to = writer, &from = reader](nursery& n) {
        n.start_soon([&] { EXPECT_THROW(to.send_all("x"), broken_stream); });
        wait_all_tasks_blocked();
        from.close();
    });
}

// Case 89: an error that is no EBADF.
TOMBOLO_TEST(fd_stream, says_what_the_system_said_when_it_breaks) {
    unique_fd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(master);
    ASSERT_EQ(::grantpt(master.get()), 0);
    ASSERT_EQ(::unlockpt(master.get()), 0);
    const std::string name = ::ptsname(master.get());
    fd_stream terminal(std::move(master));
    fd_stream line(open_file(name.c_str(), O_RDWR | O_NOCTTY));
    line.send_all("login: ");
    EXPECT_EQ(receive(terminal), "login: ");
    terminal.send_all("me\n");
    EXPECT_EQ(receive(line), "me\n");
    line.close();
    std::string echoed;
    const std::exception_ptr error = thrown_by([&] {
        while (true) echoed += receive(terminal);
    });
    EXPECT_EQ(
        text_of<broken_stream>([&] { std::rethrow_exception(error); }),
        "fd_stream::receive_some: the connection is lost: Input/output error")
        << echoed;
}

TOMBOLO_TEST(fd_stream, is_closed_when_somebody_closes_its_descriptor_behind_its_back) {
    auto [reader, writer] = open_pipe();
    const int moved = ::fcntl(reader.fd(), F_DUPFD_CLOEXEC, 0);
    ::close(reader.fd());
    EXPECT_THROW(receive(reader), closed_resource);
    ::dup3(moved, reader.fd(), O_CLOEXEC);  // so that it closes what is its own
    ::close(moved);
}

TOMBOLO_TEST(fd_stream, refuses_descriptors_that_cannot_be_waited_for) {
    const auto open = [](const char* path, int flags) { fd_stream refused(open_file(path, flags)); };
    EXPECT_THAT(text_of<invalid_descriptor>([&] { open("/proc/self/exe", O_RDONLY); }), HasSubstr("os::file"));
    EXPECT_THAT(text_of<invalid_descriptor>([&] { open("/", O_RDONLY | O_DIRECTORY); }), HasSubstr("epoll"));
    EXPECT_THAT(text_of<invalid_descriptor>([&] { open("/dev/null", O_RDWR); }), HasSubstr("thread"));
    EXPECT_THAT(text_of<invalid_descriptor>([] { fd_stream none{unique_fd()}; }), HasSubstr("-1 is not open"));
}

TOMBOLO_TEST(fd_stream, gives_its_descriptor_away_open) {
    auto [reader, writer] = open_pipe();
    writer.send_all("still there");
    unique_fd fd = reader.release();
    EXPECT_FALSE(reader.is_open());
    fd_stream again(std::move(fd));
    EXPECT_EQ(receive(again), "still there");
}

// What Boost.Asio and Beast call; the concepts have tests of their own.
struct buffer {
    char* at;
    std::size_t length;
    char* data() const { return at; }
    std::size_t size() const { return length; }
};

TOMBOLO_TEST(fd_stream, reads_and_writes_some_as_asio_does) {
    auto [reader, writer] = open_pipe();
    std::string out = "hello";
    std::array<char, 16> in{};
    EXPECT_EQ(writer.write_some(std::array{buffer{out.data(), 0}, buffer{out.data(), out.size()}}), 5U);
    EXPECT_EQ(reader.read_some(std::array{buffer{in.data(), in.size()}}), 5U);
    EXPECT_EQ(std::string_view(in.data(), 5), "hello");
    writer.close();
    EXPECT_THROW(reader.read_some(std::array{buffer{in.data(), in.size()}}), end_of_stream);
}

}  // namespace
}  // namespace tombolo::os
