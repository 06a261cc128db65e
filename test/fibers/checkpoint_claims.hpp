#pragma once

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/no_checkpoint.hpp>
#include <tombolo/testing/checkpoints.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

// What the `Checkpoint:` lines of the public headers claim, and calls that put each claim to the test. The rows stand in
// checkpoint_table_*_test.cpp, what is done with them in checkpoint_table_test.cpp.
namespace tombolo::testing {

enum class promise { always, never, cancel_half, schedule_half };

/// Makes the call that a claim is about, and sees whether it keeps the promise.
class call_check {
public:
    explicit call_check(promise promised) noexcept : promised_(promised) {}

    template <class F>
    void operator()(F&& call) {
        ++calls_;
        const auto before = lowlevel::current_checkpoint_counts();
        switch (promised_) {
        case promise::always:
            try {
                assert_checkpoints(call);
            } catch (const cancelled&) {  // the only way out of a wait without end
                expect_points(before, true, true);
                throw;
            }
            return;
        case promise::never: {
            const no_checkpoint guard;
            assert_no_checkpoints(call);
            return;
        }
        case promise::cancel_half:
            call();
            return expect_points(before, true, false);
        case promise::schedule_half:
            call();
            return expect_points(before, false, true);
        }
    }

    int calls() const noexcept { return calls_; }

private:
    static void expect_points(lowlevel::checkpoint_counts before, bool cancel, bool schedule) {
        const auto after = lowlevel::current_checkpoint_counts();
        EXPECT_EQ(after.cancel_points != before.cancel_points, cancel) << "whether it checked for cancellation";
        EXPECT_EQ(after.schedule_points != before.schedule_points, schedule) << "whether it let others run";
    }

    promise promised_;
    int calls_ = 0;
};

/// One situation in which a claim has to hold: a main task that sets the stage and makes the call through the check.
struct situation {
    std::string when;
    promise promised;
    std::function<void(call_check&)> main;
};

/// One `Checkpoint:` line.
struct claim {
    std::string header;    ///< below include/tombolo
    std::string function;  ///< what the line stands at
    std::string line;      ///< its words behind the tag, up to the first full stop
    std::vector<situation> situations;
};

inline std::vector<claim>& checkpoint_claims() {
    static std::vector<claim> all;
    return all;
}

/// Adds rows to the table before main() begins.
struct checkpoint_rows {
    checkpoint_rows(std::initializer_list<claim> rows) {
        checkpoint_claims().insert(checkpoint_claims().end(), rows.begin(), rows.end());
    }
};

// Short forms for rows.

inline situation at_once(std::function<void(call_check&)> main) {
    return {"at_once", promise::always, std::move(main)};
}

inline situation waiting(std::function<void(call_check&)> main) {
    return {"waiting", promise::always, std::move(main)};
}

inline situation never(std::function<void(call_check&)> main) { return {"never", promise::never, std::move(main)}; }

}  // namespace tombolo::testing
