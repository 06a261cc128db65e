#include "test/fibers/checkpoint_claims.hpp"
#include "test/fibers/with_waker.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/testing/lockstep_stream.hpp>
#include <tombolo/testing/memory_stream.hpp>
#include <tombolo/testing/stream_checks.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <string>

// The rows of the streams that the test kit makes, and of its batteries.

namespace tombolo::testing {
namespace {

/// Calls `main` while another task is blocked in `wait`, which ends because of that.
void beside(const std::function<void()>& wait, const std::function<void()>& main) {
    open_nursery([&](nursery& n) {
        n.start_soon(std::cref(wait));
        wait_all_tasks_blocked();
        main();
    });
}

const checkpoint_rows memory_senders{
    {"testing/memory_stream.hpp",
     "memory_send_stream_send_all",
     "always",
     {at_once([](call_check& check) {
          memory_send_stream s;
          check([&] { s.send_all("x"); });
          check([&] { s.send_all({}); });
      }),
      waiting([](call_check& check) {
          memory_send_stream s;
          s.send_all_hook = [] { wait_all_tasks_blocked(); };
          check([&] { s.send_all("x"); });
      })}},
    {"testing/memory_stream.hpp",
     "memory_send_stream_wait_send_all_might_not_block",
     "always",
     {at_once([](call_check& check) {
          memory_send_stream s;
          check([&] { s.wait_send_all_might_not_block(); });
      }),
      waiting([](call_check& check) {
          memory_send_stream s;
          s.wait_send_all_might_not_block_hook = [] { wait_all_tasks_blocked(); };
          check([&] { s.wait_send_all_might_not_block(); });
      })}},
    {"testing/memory_stream.hpp",
     "memory_send_stream_aclose",
     "always",
     {at_once([](call_check& check) {
          memory_send_stream s;
          check([&] { s.aclose(); });
          check([&] { s.aclose(); });
      }),
      waiting([](call_check& check) {
          memory_send_stream s;
          beside([&] { EXPECT_EQ(s.get_data(), ""); }, [&] { check([&] { s.aclose(); }); });
      })}},
    {"testing/memory_stream.hpp", "memory_send_stream_close", "never", {never([](call_check& check) {
         memory_send_stream s;
         beside([&] { EXPECT_EQ(s.get_data(), ""); }, [&] { check([&] { s.close(); }); });
         check([&] { s.close(); });
     })}},
    {"testing/memory_stream.hpp",
     "memory_send_stream_get_data",
     "always",
     {at_once([](call_check& check) {
          memory_send_stream s;
          s.send_all("x");
          check([&] { EXPECT_EQ(s.get_data(), "x"); });
      }),
      waiting([](call_check& check) {
          memory_send_stream s;
          with_waker([&] { s.send_all("x"); }, [&] { check([&] { EXPECT_EQ(s.get_data(), "x"); }); });
      })}},
    {"testing/memory_stream.hpp", "memory_send_stream_try_get_data", "never", {never([](call_check& check) {
         memory_send_stream s;
         check([&] { EXPECT_FALSE(s.try_get_data()); });
         s.send_all("x");
         check([&] { EXPECT_TRUE(s.try_get_data()); });
     })}},
};

std::size_t receive_one(auto& from) {
    std::string buffer(1, '\0');
    return from.receive_some(buffer);
}

const checkpoint_rows memory_receivers{
    {"testing/memory_stream.hpp",
     "memory_receive_stream_receive_some",
     "always",
     {at_once([](call_check& check) {
          memory_receive_stream r;
          r.put_data("x");
          r.put_eof();
          check([&] { EXPECT_EQ(receive_one(r), 1U); });
          check([&] { EXPECT_EQ(receive_one(r), 0U); });
      }),
      waiting([](call_check& check) {
          memory_receive_stream r;
          with_waker([&] { r.put_data("x"); }, [&] { check([&] { EXPECT_EQ(receive_one(r), 1U); }); });
      })}},
    {"testing/memory_stream.hpp",
     "memory_receive_stream_aclose",
     "always",
     {at_once([](call_check& check) {
          memory_receive_stream r;
          check([&] { r.aclose(); });
          check([&] { r.aclose(); });
      }),
      waiting([](call_check& check) {
          memory_receive_stream r;
          beside([&] { EXPECT_THROW(receive_one(r), closed_resource); }, [&] { check([&] { r.aclose(); }); });
      })}},
    {"testing/memory_stream.hpp", "memory_receive_stream_close", "never", {never([](call_check& check) {
         memory_receive_stream r;
         beside([&] { EXPECT_THROW(receive_one(r), closed_resource); }, [&] { check([&] { r.close(); }); });
     })}},
    {"testing/memory_stream.hpp", "memory_receive_stream_put_data", "never", {never([](call_check& check) {
         memory_receive_stream r;
         beside([&] { EXPECT_EQ(receive_one(r), 1U); }, [&] { check([&] { r.put_data("x"); }); });
     })}},
    {"testing/memory_stream.hpp", "memory_receive_stream_put_eof", "never", {never([](call_check& check) {
         memory_receive_stream r;
         beside([&] { EXPECT_EQ(receive_one(r), 0U); }, [&] { check([&] { r.put_eof(); }); });
     })}},
};

const checkpoint_rows memory_pairs{
    {"testing/memory_stream.hpp", "memory_stream_pump", "never", {never([](call_check& check) {
         memory_send_stream s;
         memory_receive_stream r;
         check([&] { EXPECT_FALSE(memory_stream_pump(s, r)); });
         s.send_all("x");
         beside([&] { EXPECT_EQ(receive_one(r), 1U); }, [&] { check([&] { memory_stream_pump(s, r); }); });
     })}},
    {"testing/memory_stream.hpp", "memory_stream_one_way_pair", "never", {never([](call_check& check) {
         check([] { memory_stream_one_way_pair(); });
     })}},
    {"testing/memory_stream.hpp", "memory_stream_pair", "never", {never([](call_check& check) {
         check([] { memory_stream_pair(); });
     })}},
};

const checkpoint_rows lockstep_streams{
    {"testing/lockstep_stream.hpp",
     "lockstep_send_stream_send_all",
     "always",
     {at_once([](call_check& check) {
          auto [s, r] = lockstep_stream_one_way_pair();
          check([&s = s] { s.send_all({}); });
      }),
      waiting([](call_check& check) {
          auto [s, r] = lockstep_stream_one_way_pair();
          with_waker([&r = r] { receive_one(r); }, [&, &s = s] { check([&] { s.send_all("x"); }); });
      })}},
    {"testing/lockstep_stream.hpp",
     "lockstep_send_stream_wait_send_all_might_not_block",
     "always",
     {at_once([](call_check& check) {
          auto [s, r] = lockstep_stream_one_way_pair();
          beside(
              [&r = r] { receive_one(r); },
              [&, &s = s] {
                  check([&] { s.wait_send_all_might_not_block(); });
                  s.close();
              });
      }),
      waiting([](call_check& check) {
          auto [s, r] = lockstep_stream_one_way_pair();
          with_waker(
              [&r = r] { receive_one(r); },
              [&, &s = s] {
                  check([&] { s.wait_send_all_might_not_block(); });
                  s.close();
              });
      })}},
    {"testing/lockstep_stream.hpp",
     "lockstep_send_stream_aclose",
     "always",
     {at_once([](call_check& check) {
          auto [s, r] = lockstep_stream_one_way_pair();
          check([&s = s] { s.aclose(); });
      }),
      waiting([](call_check& check) {
          auto [s, r] = lockstep_stream_one_way_pair();
          beside([&r = r] { receive_one(r); }, [&, &s = s] { check([&] { s.aclose(); }); });
      })}},
    {"testing/lockstep_stream.hpp", "lockstep_send_stream_close", "never", {never([](call_check& check) {
         auto [s, r] = lockstep_stream_one_way_pair();
         beside([&r = r] { receive_one(r); }, [&, &s = s] { check([&] { s.close(); }); });
     })}},
    {"testing/lockstep_stream.hpp",
     "lockstep_receive_stream_receive_some",
     "always",
     {at_once([](call_check& check) {
          auto [s, r] = lockstep_stream_one_way_pair();
          beside([&s = s] { s.send_all("x"); }, [&, &r = r] { check([&] { EXPECT_EQ(receive_one(r), 1U); }); });
      }),
      waiting([](call_check& check) {
          auto [s, r] = lockstep_stream_one_way_pair();
          with_waker([&s = s] { s.send_all("x"); }, [&, &r = r] { check([&] { EXPECT_EQ(receive_one(r), 1U); }); });
      })}},
    {"testing/lockstep_stream.hpp",
     "lockstep_receive_stream_aclose",
     "always",
     {at_once([](call_check& check) {
          auto [s, r] = lockstep_stream_one_way_pair();
          check([&r = r] { r.aclose(); });
      }),
      waiting([](call_check& check) {
          auto [s, r] = lockstep_stream_one_way_pair();
          beside(
              [&s = s] { EXPECT_THROW(s.send_all("x"), broken_resource); },
              [&, &r = r] { check([&] { r.aclose(); }); });
      })}},
    {"testing/lockstep_stream.hpp", "lockstep_receive_stream_close", "never", {never([](call_check& check) {
         auto [s, r] = lockstep_stream_one_way_pair();
         beside(
             [&s = s] { EXPECT_THROW(s.send_all("x"), broken_resource); }, [&, &r = r] { check([&] { r.close(); }); });
     })}},
    {"testing/lockstep_stream.hpp", "lockstep_stream_one_way_pair", "never", {never([](call_check& check) {
         check([] { lockstep_stream_one_way_pair(); });
     })}},
    {"testing/lockstep_stream.hpp", "lockstep_stream_pair", "never", {never([](call_check& check) {
         check([] { lockstep_stream_pair(); });
     })}},
};

/// Streams without a buffer wait in every step.
const checkpoint_rows batteries{
    {"testing/stream_checks.hpp",
     "check_one_way_stream",
     "always",
     {at_once([](call_check& check) { check([] { check_one_way_stream(memory_stream_one_way_pair); }); }),
      waiting([](call_check& check) { check([] { check_one_way_stream(lockstep_stream_one_way_pair); }); })}},
    {"testing/stream_checks.hpp",
     "check_two_way_stream",
     "always",
     {at_once([](call_check& check) { check([] { check_two_way_stream(memory_stream_pair); }); }),
      waiting([](call_check& check) { check([] { check_two_way_stream(lockstep_stream_pair); }); })}},
    {"testing/stream_checks.hpp",
     "check_half_closeable_stream",
     "always",
     {at_once([](call_check& check) { check([] { check_half_closeable_stream(memory_stream_pair); }); }),
      waiting([](call_check& check) { check([] { check_half_closeable_stream(lockstep_stream_pair); }); })}},
};

}  // namespace
}  // namespace tombolo::testing
