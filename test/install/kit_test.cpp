#include <tombolo/testing/test.hpp>
#include <tombolo/tombolo.hpp>

#include <chrono>

using namespace std::chrono_literals;

TOMBOLO_TEST(installed_kit, a_day_of_sleep_takes_no_time) {
    const auto begun = tombolo::now();
    tombolo::sleep_for(24h);
    EXPECT_EQ(tombolo::now() - begun, 24h);
}
