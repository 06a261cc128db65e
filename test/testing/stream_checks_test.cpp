#include <tombolo/testing/stream_checks.hpp>

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/os/stapled_stream.hpp>
#include <tombolo/testing/lockstep_stream.hpp>
#include <tombolo/testing/memory_stream.hpp>
#include <tombolo/testing/test.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace tombolo::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TOMBOLO_TEST(stream_checks, pass_memory_streams) {
    check_one_way_stream(memory_stream_one_way_pair);
    check_two_way_stream(memory_stream_pair);
    check_half_closeable_stream(memory_stream_pair);
}

TOMBOLO_TEST(stream_checks, pass_lockstep_streams_which_are_always_clogged) {
    check_one_way_stream(lockstep_stream_one_way_pair, lockstep_stream_one_way_pair);
    check_two_way_stream(lockstep_stream_pair, lockstep_stream_pair);
    check_half_closeable_stream(lockstep_stream_pair);
}

/// A memory stream with one fault, chosen by name.
class faulty_sender {
public:
    faulty_sender(memory_send_stream good, std::string fault) : good_(std::move(good)), fault_(std::move(fault)) {}

    void send_all(const_bytes bytes) {
        if (fault_ == "empty sends become a byte" && bytes.empty()) return good_.send_all("?");
        if (fault_ == "mixes up bytes of long sends" && bytes.size() > 1000) {
            std::string mixed(bytes.text());
            std::swap(mixed.front(), mixed.back());
            return good_.send_all(mixed);
        }
        if (fault_ == "closed is broken" && closed_) throw broken_resource("closed");
        if (fault_ == "closed takes nothing gladly" && closed_ && bytes.empty()) return checkpoint();
        if (fault_ == "no checkpoint") {
            if (closed_) throw closed_resource("closed");
            return;
        }
        if (fault_ == "never broken") {
            try {
                return good_.send_all(bytes);
            } catch (const broken_resource&) {
                throw std::runtime_error("some other error");
            }
        }
        good_.send_all(bytes);
    }
    void wait_send_all_might_not_block() {
        if (fault_ == "closed has room" && closed_) return checkpoint();
        good_.wait_send_all_might_not_block();
    }
    void aclose() {
        if (fault_ == "a cancelled aclose does not close") checkpoint();
        closed_ = true;
        good_.aclose();
    }
    void close() noexcept {
        closed_ = true;
        good_.close();
    }

private:
    memory_send_stream good_;
    std::string fault_;
    bool closed_ = false;
};

class faulty_receiver {
public:
    faulty_receiver(memory_receive_stream good, std::string fault) : good_(std::move(good)), fault_(std::move(fault)) {}

    std::size_t receive_some(mutable_bytes buffer) {
        if (fault_ == "takes an empty buffer" && buffer.empty()) return 0;
        return good_.receive_some(buffer);
    }
    void aclose() {
        if (fault_ == "aclose is no checkpoint") return close();
        close();
        checkpoint();
    }
    void close() noexcept {
        if (fault_ != "close does not close") good_.close();
    }

private:
    memory_receive_stream good_;
    std::string fault_;
};

std::string complaint_about(const std::string& fault) {
    try {
        check_one_way_stream([&] {
            auto [sender, receiver] = memory_stream_one_way_pair();
            return std::pair(faulty_sender(std::move(sender), fault), faulty_receiver(std::move(receiver), fault));
        });
    } catch (const check_failed& failed) {
        return failed.what();
    }
    return "no complaint";
}

TOMBOLO_TEST(stream_checks, pass_streams_without_a_fault) { EXPECT_EQ(complaint_about("none"), "no complaint"); }

TOMBOLO_TEST(stream_checks, name_the_step_and_the_expectation_that_a_stream_fails) {
    EXPECT_THAT(
        complaint_about("empty sends become a byte"),
        AllOf(HasSubstr("\"sending nothing means nothing\""), HasSubstr("gives \"y\", but it gave \"?\"")));
    EXPECT_THAT(
        complaint_about("takes an empty buffer"),
        AllOf(
            HasSubstr("\"an empty buffer is refused and harms nothing\""),
            HasSubstr("with invalid_count; nothing was thrown")));
}

TOMBOLO_TEST(stream_checks, find_calls_that_are_no_checkpoints) {
    EXPECT_THAT(complaint_about("no checkpoint"), HasSubstr("never checked for cancellation"));
    EXPECT_THAT(complaint_about("aclose is no checkpoint"), HasSubstr("never checked for cancellation"));
}

TOMBOLO_TEST(stream_checks, find_wrong_errors_after_close) {
    EXPECT_THAT(
        complaint_about("closed is broken"),
        AllOf(HasSubstr("send_all after close is closed_resource"), HasSubstr("broken_resource")));
    EXPECT_THAT(complaint_about("closed takes nothing gladly"), HasSubstr("sending nothing after close"));
    EXPECT_THAT(complaint_about("closed has room"), HasSubstr("wait_send_all_might_not_block after close"));
    EXPECT_THAT(complaint_about("never broken"), HasSubstr("some other error"));
}

TOMBOLO_TEST(stream_checks, find_a_close_that_does_nothing_without_sending_for_ever) {
    EXPECT_THAT(complaint_about("close does not close"), HasSubstr("sending on and on comes to an end"));
}

TOMBOLO_TEST(stream_checks, find_a_cancelled_aclose_that_does_not_close) {
    EXPECT_THAT(
        complaint_about("a cancelled aclose does not close"), HasSubstr("a cancelled aclose closes the sender"));
}

TOMBOLO_TEST(stream_checks, find_a_duplex_stream_that_mixes_up_bytes) {
    const auto make_pair = [] {
        auto [near_sender, far_receiver] = memory_stream_one_way_pair();
        auto [far_sender, near_receiver] = memory_stream_one_way_pair();
        return std::pair(
            os::stapled_stream(
                faulty_sender(std::move(near_sender), "mixes up bytes of long sends"), std::move(near_receiver)),
            os::stapled_stream(std::move(far_sender), std::move(far_receiver)));
    };
    check_one_way_stream(make_pair);
    EXPECT_THAT(
        [&] { check_two_way_stream(make_pair); }, ::testing::ThrowsMessage<check_failed>(HasSubstr("as it was sent")));
}

}  // namespace
}  // namespace tombolo::testing
