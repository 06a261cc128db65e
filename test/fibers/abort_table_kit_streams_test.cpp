#include "test/fibers/abort_table.hpp"
#include "test/fibers/with_waker.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/testing/lockstep_stream.hpp>
#include <tombolo/testing/memory_stream.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <string>

// The rows of the streams that the test kit makes.

namespace tombolo::testing {
namespace {

/// Receives through the attempt, and again if that was cancelled: nothing is lost.
template <class Stream>
void receive_in_any_case(attempt& make, Stream& from, const std::string& expected) {
    std::string buffer(100, '\0');
    std::size_t count = 0;
    if (!make([&] { count = from.receive_some(buffer); })) count = from.receive_some(buffer);
    EXPECT_EQ(buffer.substr(0, count), expected);
}

const operation_rows memory_streams{
    {"memory_receive_stream_receive_some", true,
     [](attempt& make) {
         memory_receive_stream r;
         with_waker([&] { r.put_data("x"); }, [&] { receive_in_any_case(make, r, "x"); });
     }},
    {"memory_receive_stream_receive_what_is_there", true,
     [](attempt& make) {
         memory_receive_stream r;
         r.put_data("x");
         receive_in_any_case(make, r, "x");
     }},
    {"memory_send_stream_get_data", true,
     [](attempt& make) {
         memory_send_stream s;
         std::string got;
         with_waker(
             [&] { s.send_all("x"); },
             [&] {
                 if (!make([&] { got = s.get_data(); })) got = s.get_data();
             });
         EXPECT_EQ(got, "x");
     }},
    {"memory_send_stream_send_all", true,
     [](attempt& make) {
         memory_send_stream s;
         const bool sent = make([&] { s.send_all("x"); });
         EXPECT_EQ(s.try_get_data().has_value(), sent);
     }},
    {"memory_send_stream_aclose", true,
     [](attempt& make) {
         memory_send_stream s;
         make([&] { s.aclose(); });
         EXPECT_THROW(s.send_all("x"), closed_resource);
     }},
};

const operation_rows lockstep_streams{
    {"lockstep_receive_stream_receive_some", true,
     [](attempt& make) {
         auto [s, r] = lockstep_stream_one_way_pair();
         with_waker([&s = s] { s.send_all("x"); }, [&, &r = r] { receive_in_any_case(make, r, "x"); });
     }},
    {"lockstep_send_stream_send_all", true,
     [](attempt& make) {
         auto [s, r] = lockstep_stream_one_way_pair();
         std::string got;
         bool sent = false;
         with_waker(
             [&, &r = r] {
                 std::string buffer(2, '\0');
                 while (const std::size_t count = r.receive_some(buffer)) got += buffer.substr(0, count);
             },
             [&, &s = s] {
                 sent = make([&] { s.send_all("abc"); });
                 s.close();
             });
         EXPECT_EQ(got, std::string("abc").substr(0, got.size()));
         if (sent) {
             EXPECT_EQ(got, "abc");
         }
     }},
    {"lockstep_send_stream_wait_send_all_might_not_block", true,
     [](attempt& make) {
         auto [s, r] = lockstep_stream_one_way_pair();
         with_waker(
             [&r = r] {
                 std::string buffer(1, '\0');
                 EXPECT_EQ(r.receive_some(buffer), 0U);
             },
             [&, &s = s] {
                 make([&] { s.wait_send_all_might_not_block(); });
                 s.close();
             });
     }},
};

}  // namespace
}  // namespace tombolo::testing
