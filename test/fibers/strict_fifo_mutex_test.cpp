#include <tombolo/fibers/strict_fifo_mutex.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/condition_variable.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <numeric>
#include <type_traits>
#include <vector>

namespace tombolo::testing {
namespace {

using ::testing::HasSubstr;

// Y7
static_assert(!std::is_constructible_v<condition_variable, strict_fifo_mutex&>, "notified tasks would break the order");
static_assert(!std::is_convertible_v<strict_fifo_mutex&, mutex&>);

// Y4
TOMBOLO_TEST(strict_fifo_mutex, is_owned_in_exactly_the_order_of_the_calls) {
    constexpr int count = 20;
    strict_fifo_mutex m;
    std::vector<int> owners;
    open_nursery([&](nursery& n) {
        m.lock();
        for (int i = 0; i < count; ++i) {
            n.start_soon([&, i] {
                const std::lock_guard guard(m);
                owners.push_back(i);
                checkpoint();
            });
            wait_all_tasks_blocked();
        }
        EXPECT_EQ(m.statistics().tasks_waiting, static_cast<std::size_t>(count));
        m.unlock();
        EXPECT_FALSE(m.try_lock()) << "nobody overtakes";
    });
    std::vector<int> in_order(count);
    std::iota(in_order.begin(), in_order.end(), 0);
    EXPECT_EQ(owners, in_order);
}

TOMBOLO_TEST(strict_fifo_mutex, is_broken_when_its_owner_exits) {
    strict_fifo_mutex m;
    open_nursery([&](nursery& n) { n.start_soon([&] { m.lock(); }, {.name = "owner"}); });
    EXPECT_THAT(text_of<broken_resource>([&] { m.lock(); }), HasSubstr("\"owner\""));
    EXPECT_TRUE(m.locked());
}

}  // namespace
}  // namespace tombolo::testing
