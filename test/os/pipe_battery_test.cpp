#include <tombolo/base/unique_fd.hpp>
#include <tombolo/fibers/net/unix_stream.hpp>
#include <tombolo/fibers/os/fd_stream.hpp>
#include <tombolo/fibers/os/stapled_stream.hpp>
#include <tombolo/testing/memory_stream.hpp>
#include <tombolo/testing/stream_checks.hpp>
#include <tombolo/testing/test.hpp>

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include <unistd.h>

// The generic batteries over streams of descriptors, and over what is stapled together from them.

namespace tombolo::os {
namespace {

std::pair<fd_stream, fd_stream> pipe_pair() {
    auto [reader, writer] = open_pipe();
    return {std::move(writer), std::move(reader)};
}

std::pair<fd_stream, fd_stream> socket_pair() {
    auto [near, far] = net::unix_stream::pair();
    return {fd_stream(near.socket().release()), fd_stream(far.socket().release())};
}

void fill(const fd_stream& stream) {
    const std::string bytes(4096, 'x');
    while (::write(stream.fd(), bytes.data(), bytes.size()) > 0) {}
}

using stapled_pipes = stapled_stream<fd_stream, fd_stream>;

std::pair<stapled_pipes, stapled_pipes> stapled_pair() {
    auto [there_writer, there_reader] = pipe_pair();
    auto [back_writer, back_reader] = pipe_pair();
    return {
        stapled_stream(std::move(there_writer), std::move(back_reader)),
        stapled_stream(std::move(back_writer), std::move(there_reader))};
}

TOMBOLO_TEST(pipe_battery, passes_pipes) {
    testing::check_one_way_stream(pipe_pair, [] {
        auto pair = pipe_pair();
        fill(pair.first);
        return pair;
    });
}

TOMBOLO_TEST(pipe_battery, passes_descriptors_of_socket_pairs) {
    testing::check_two_way_stream(socket_pair, [] {
        auto pair = socket_pair();
        fill(pair.first);
        fill(pair.second);
        return pair;
    });
}

TOMBOLO_TEST(pipe_battery, passes_two_pipes_stapled_together) {
    testing::check_two_way_stream(stapled_pair, [] {
        auto pair = stapled_pair();
        fill(pair.first.send_part());
        fill(pair.second.send_part());
        return pair;
    });
}

TOMBOLO_TEST(pipe_battery, passes_stapled_streams_that_are_half_closed) {
    testing::check_half_closeable_stream(stapled_pair);
}

TOMBOLO_TEST(pipe_battery, passes_memory_streams_stapled_together) {
    testing::check_half_closeable_stream([] {
        auto [near_sender, far_receiver] = testing::memory_stream_one_way_pair();
        auto [far_sender, near_receiver] = testing::memory_stream_one_way_pair();
        return std::pair(
            stapled_stream(std::move(near_sender), std::move(near_receiver)),
            stapled_stream(std::move(far_sender), std::move(far_receiver)));
    });
}

}  // namespace
}  // namespace tombolo::os
