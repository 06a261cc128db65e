#include "test/fibers/checkpoint_claims.hpp"

#include <tombolo/fibers/all_of.hpp>
#include <tombolo/fibers/any_of.hpp>
#include <tombolo/fibers/map_concurrently.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

// The rows of the combinators. They are nurseries: what they do by themselves is to let others run when they are left.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;

using functions = std::vector<std::function<void()>>;

functions that_return() {
    return {[] {}, [] {}};
}

functions that_sleep() {
    return {[] { sleep_for(1s); }, [] { sleep_for(2s); }};
}

claim combinator(const std::string& header, const std::string& name, void (*call)(const functions&)) {
    return {
        header,
        name,
        "leaving always lets others run",
        {{"that_return_at_once", promise::always,
          [call](call_check& check) { check([call] { call(that_return()); }); }},
         {"that_sleep", promise::always, [call](call_check& check) { check([call] { call(that_sleep()); }); }}}};
}

const checkpoint_rows combinators{
    combinator("fibers/all_of.hpp", "all_of", [](const functions& two) { all_of(two[0], two[1]); }),
    combinator("fibers/all_of.hpp", "all_of_a_range", [](const functions& two) { all_of(two); }),
    combinator("fibers/any_of.hpp", "any_of", [](const functions& two) { any_of(two[0], two[1]); }),
    combinator("fibers/any_of.hpp", "any_of_a_range", [](const functions& two) { any_of(two); }),
    combinator("fibers/any_of.hpp", "race", [](const functions& two) { race(two[0], two[1]); }),
    combinator("fibers/any_of.hpp", "race_of_a_range", [](const functions& two) { race(two); }),
    combinator(
        "fibers/map_concurrently.hpp", "map_concurrently",
        [](const functions& two) { map_concurrently(two, 2, [](const std::function<void()>& each) { each(); }); }),
};

}  // namespace
}  // namespace tombolo::testing
