#include <tombolo/fibers/os/stapled_stream.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/net/unix_stream.hpp>
#include <tombolo/fibers/os/fd_stream.hpp>
#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/test.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>

namespace tombolo::os {
namespace {

using testing::assert_checkpoints;
using ::testing::ElementsAre;
using testing::sorted_leaves;
using testing::thrown_by;

/// A part that fails to close.
struct stubborn {
    std::exception_ptr error;
    bool closed = false;
    void aclose() {
        closed = true;
        checkpoint();
        if (error) std::rethrow_exception(error);
    }
    void close() noexcept { closed = true; }
    void send_all(const_bytes) { checkpoint(); }
    void wait_send_all_might_not_block() { checkpoint(); }
    std::size_t receive_some(mutable_bytes) { return 0; }
};

std::exception_ptr broken(const char* what) { return std::make_exception_ptr(broken_resource(what)); }

static_assert(is_half_closeable_stream<stapled_stream<fd_stream, fd_stream>>);
static_assert(is_half_closeable_stream<stapled_stream<fd_stream&, fd_stream&>>);
static_assert(is_half_closeable_stream<stapled_stream<net::unix_stream, fd_stream>>);

TOMBOLO_TEST(stapled_stream, sends_through_one_part_and_receives_from_the_other) {
    auto [far_in, near_out] = open_pipe();
    auto [near_in, far_out] = open_pipe();
    stapled_stream near(std::move(near_out), std::move(near_in));
    stapled_stream far(std::move(far_out), std::move(far_in));
    std::array<char, 16> got{};
    near.wait_send_all_might_not_block();
    near.send_all("there");
    EXPECT_EQ(far.receive_some(got), 5U);
    far.send_all("back");
    EXPECT_EQ(near.receive_some(got), 4U);
    EXPECT_EQ(near.write_some(std::array{const_bytes(got)}), got.size());
    EXPECT_EQ(far.read_some(std::array{mutable_bytes(got)}), got.size());
}

TOMBOLO_TEST(stapled_stream, ends_a_sending_part_that_cannot_be_half_closed_by_closing_it) {
    auto [reader, writer] = open_pipe();
    auto [unused, other] = open_pipe();
    stapled_stream stapled(std::move(writer), std::move(unused));
    assert_checkpoints([&] { stapled.send_eof(); });
    assert_checkpoints([&] { stapled.send_eof(); });
    EXPECT_FALSE(stapled.send_part().is_open());
    EXPECT_TRUE(stapled.receive_part().is_open());
    std::array<char, 1> got{};
    EXPECT_EQ(reader.receive_some(got), 0U);
    EXPECT_THROW(stapled.send_all("x"), closed_resource);
}

TOMBOLO_TEST(stapled_stream, ends_a_sending_part_by_its_own_send_eof) {
    auto [near, far] = net::unix_stream::pair();
    auto [reader, writer] = open_pipe();
    stapled_stream stapled(std::move(near), std::move(reader));
    stapled.send_eof();
    EXPECT_TRUE(stapled.send_part().is_open());
    std::array<char, 1> got{};
    EXPECT_EQ(far.receive_some(got), 0U);
}

TOMBOLO_TEST(stapled_stream, leaves_parts_that_belong_to_others_alive) {
    auto [reader, writer] = open_pipe();
    {
        stapled_stream<fd_stream&, fd_stream&> both(writer, reader);
        both.send_all("x");
    }
    EXPECT_TRUE(writer.is_open());
    EXPECT_TRUE(reader.is_open());
}

TOMBOLO_TEST(stapled_stream, closes_both_parts_although_it_is_cancelled) {
    stubborn sends;
    stubborn receives;
    stapled_stream<stubborn&, stubborn&> both(sends, receives);
    cancel_scope scope;
    scope.cancel();
    EXPECT_FALSE(scope.run([&] { both.aclose(); }));
    EXPECT_TRUE(sends.closed);
    EXPECT_TRUE(receives.closed);
}

TOMBOLO_TEST(stapled_stream, closes_the_other_part_when_one_fails) {
    stubborn sends{broken("send")};
    stubborn receives;
    stapled_stream<stubborn&, stubborn&> both(sends, receives);
    EXPECT_THROW(both.aclose(), broken_resource);
    EXPECT_TRUE(receives.closed);
    std::swap(sends, receives);
    EXPECT_THROW(both.aclose(), broken_resource);
}

TOMBOLO_TEST(stapled_stream, tells_of_both_failures) {
    stubborn sends{broken("send")};
    stubborn receives{broken("receive")};
    stapled_stream<stubborn&, stubborn&> both(sends, receives);
    const std::exception_ptr error = thrown_by([&] { both.aclose(); });
    EXPECT_TRUE(holds<exception_group>(error));
    EXPECT_EQ(sorted_leaves(error).size(), 2U) << describe(error);
}

TOMBOLO_TEST(stapled_stream, tells_of_a_failure_rather_than_of_the_cancellation) {
    struct cancels {
        stubborn part;
        cancel_scope& scope;
        void aclose() {
            scope.cancel();
            part.aclose();
        }
        void close() noexcept {}
        void send_all(const_bytes) {}
        void wait_send_all_might_not_block() {}
    };
    struct fails {
        void aclose() {
            lowlevel::cancel_shielded_checkpoint();
            throw broken_resource("receive");
        }
        void close() noexcept {}
        std::size_t receive_some(mutable_bytes) { return 0; }
    };
    cancel_scope scope;
    cancels sends{{}, scope};
    fails receives;
    stapled_stream<cancels&, fails&> both(sends, receives);
    EXPECT_THROW(scope.run([&] { both.aclose(); }), broken_resource);
}

TOMBOLO_TEST(stapled_stream, closes_both_by_force) {
    auto [reader, writer] = open_pipe();
    stapled_stream both(std::move(writer), std::move(reader));
    both.close();
    EXPECT_FALSE(both.send_part().is_open());
    EXPECT_FALSE(both.receive_part().is_open());
    assert_checkpoints([&] { both.aclose(); });
}

}  // namespace
}  // namespace tombolo::os
