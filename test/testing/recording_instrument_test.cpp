#include <tombolo/testing/recording_instrument.hpp>

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace tombolo::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(recording_instrument, has_nothing_to_tell_before_it_watched_a_run) {
    const recording_instrument recorder;
    EXPECT_THAT(recorder.events(), IsEmpty());
    EXPECT_THAT(recorder.of_task("main"), IsEmpty());
}

TEST(recording_instrument, writes_down_the_life_of_a_task_in_order) {
    recording_instrument recorder;
    run([] { open_nursery([](nursery& n) { n.start_soon([] { checkpoint(); }, {.name = "child"}); }); },
        {.instruments = {&recorder}});
    EXPECT_THAT(
        recorder.of_task("child"),
        ElementsAre(
            "task_spawned", "task_scheduled", "before_task_step", "task_scheduled", "after_task_step",
            "before_task_step", "task_exited", "after_task_step"));
}

TEST(recording_instrument, writes_down_what_concerns_no_task_without_a_name) {
    recording_instrument recorder;
    run([] {}, {.instruments = {&recorder}});
    ASSERT_FALSE(recorder.events().empty());
    EXPECT_EQ(recorder.events().front(), (recorded_event{"before_run", ""}));
    EXPECT_EQ(recorder.events().back(), (recorded_event{"after_run", ""}));
    EXPECT_THAT(recorder.events(), Contains(recorded_event{"before_io_wait", ""}));
    EXPECT_THAT(recorder.events(), Contains(recorded_event{"after_io_wait", ""}));
}

TEST(recording_instrument, goes_on_with_the_next_run_that_it_watches) {
    recording_instrument recorder;
    run([] {}, {.instruments = {&recorder}});
    run([] {}, {.instruments = {&recorder}});
    EXPECT_EQ(std::ranges::count(recorder.events(), recorded_event{"before_run", ""}), 2);
}

}  // namespace
}  // namespace tombolo::testing
