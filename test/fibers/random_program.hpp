#pragma once

#include "fibers/core/cancel_status.hpp"
#include "fibers/core/run_context.hpp"
#include "test/fibers/cancellation.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/testing/mock_clock.hpp>
#include <tombolo/tombolo.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace tombolo::testing {

/// A scope as the model sees it: what is cancelled follows from the flags of the scopes around, from scratch every time.
/// A place without a scope is where a task made by start() hangs: its parent changes when the task moves.
struct place {
    cancel_scope* scope = nullptr;
    place* parent = nullptr;

    bool cancel_called() const { return scope != nullptr && tombolo::kernel::scope_access::cancel_called(*scope); }
    bool shielded() const { return scope != nullptr && scope->shield(); }
    bool outer_visible() const { return parent != nullptr && !shielded() && parent->effective(); }
    bool effective() const { return cancel_called() || outer_visible(); }
    bool any_cancel_called() const { return cancel_called() || (parent != nullptr && parent->any_cancel_called()); }
    time_point effective_deadline() const {
        if (effective()) return time_point::min();
        const time_point outer = parent == nullptr || shielded() ? time_point::max() : parent->effective_deadline();
        return scope != nullptr ? std::min(outer, scope->deadline()) : outer;
    }
};

/// How often the interesting things happened, so that a test can make sure that they do.
struct random_program_counts {
    int absorbed = 0;
    int passed_on = 0;
    int aborted_sleeps = 0;
    int full_sleeps = 0;
    int moved_children = 0;
    int kept_children = 0;
    int groups = 0;
    int abort_functions = 0;
};

/// A program of nested scopes, nurseries, starts, timeouts, shields and cancels that a seed determines, and a model of which
/// of its tasks are cancelled. It runs as the main task of a run, once.
class random_program {
public:
    explicit random_program(std::uint64_t seed) : shared_random_(seed), seed_(seed) {}

    void run() {
        strand main{std::mt19937_64(seed_), 0, nullptr};
        place outermost;
        main.at = &outermost;
        try {
            body(main, 0);
        } catch (...) {
            check(!has_cancelled(std::current_exception()), "a cancellation has left the outermost scope");
        }
        check(live_.empty() && nurseries_.empty() && asleep_.empty(), "something was left behind");
        check(tombolo::kernel::this_thread.run->deadlines.empty(), "a deadline was left behind");
    }

    /// The first invariant that was broken; empty when all held.
    const std::string& failure() const noexcept { return failure_; }
    std::uint64_t trace() const noexcept { return trace_; }
    const random_program_counts& counts() const noexcept { return counts_; }

private:
    /// What a task knows of itself: its choices, its label, the innermost scope around it.
    struct strand {
        std::mt19937_64 random;
        std::uint64_t label;
        place* at;

        std::uint64_t choose(std::uint64_t n) { return random() % n; }
        duration a_while() { return std::chrono::milliseconds(1 + choose(10)); }
    };
    struct sleeper {
        const strand* who;
        time_point until;
        bool aborted;
    };

    static bool has_cancelled(const std::exception_ptr& error) { return strip_cancelled(error).removed > 0; }

    void check(bool holds, const char* sentence) {
        if (!holds && failure_.empty())
            failure_ = std::string(sentence) + " (operation " + std::to_string(steps_) + ")";
    }

    /// After every operation: writes it down and compares what can be seen with the model.
    void note(const strand& s, int what, bool threw = false) {
        ++steps_;
        for (const std::uint64_t item :
             {s.label, static_cast<std::uint64_t>(what * 2 + threw),
              static_cast<std::uint64_t>(now().time_since_epoch().count())})
            trace_ = (trace_ ^ item) * 0x9E3779B97F4A7C15U + (trace_ >> 29);
        check(current_effective_deadline() == s.at->effective_deadline(), "the effective deadline is wrong");
        look_at_sleepers();
    }

    /// Not called in abort functions: there a cancel is still on its way, and what they change may spare the rest.
    void look_at_sleepers() {
        for (sleeper& each : asleep_)
            if (now() < each.until && each.who->at->effective()) each.aborted = true;
    }

    void body(strand& s, int depth) {
        for (std::uint64_t n = 1 + s.choose(6); n > 0 && operations_left_ > 0; --n) {
            --operations_left_;
            operation(s, depth);
        }
    }

    void operation(strand& s, int depth) {
        const std::uint64_t what = s.choose(depth < 6 ? 22 : 12);
        switch (what) {
        case 0:
        case 1:
            return checkpoint_exactly(s, 1, [] { checkpoint(); });
        case 2:
            return checkpoint_exactly(s, 2, [] { lowlevel::checkpoint_if_cancelled(); });
        case 3:
            return lowlevel::cancel_shielded_checkpoint(), note(s, 3);
        case 4:
        case 5:
        case 6:
            return sleep(s);
        case 7:
            return park_with_busy_abort(s);
        case 8:
        case 9:
        case 10:
            return change_something(s.random), note(s, 4);
        case 11:
            if (s.choose(6) == 0) throw std::runtime_error("a random error");
            return;
        case 12:
        case 13:
            return swallow(s, depth);
        case 14:
        case 15:
            return start(s, depth);
        case 16:
        case 17:
        case 18:
            return nursery_of_children(s, depth);
        default:
            return scope(s, depth);
        }
    }

    /// A call that must throw exactly if the task is cancelled at the moment when it ends.
    template <class F>
    void checkpoint_exactly(strand& s, int what, F&& call) {
        const bool threw = is_cancelled_in(call);
        check(threw == s.at->effective(), "a checkpoint has the wrong idea of whether its task is cancelled");
        note(s, what, threw);
        if (threw) checkpoint();
    }

    void sleep(strand& s) {
        const time_point until = now() + s.a_while();
        asleep_.push_back({&s, until, false});
        const bool threw = is_cancelled_in([&] { sleep_until(until); });
        const auto mine = std::ranges::find(asleep_, &s, &sleeper::who);
        const bool aborted = mine->aborted;
        asleep_.erase(mine);
        check(threw || now() == until, "a sleep has not ended at its time");
        check(threw || !aborted, "a sleep was not aborted when its task was cancelled");
        check(!threw || s.at->any_cancel_called(), "a sleep was cancelled, but no scope around it is");
        check(!threw || now() <= until, "a sleep was cancelled too late");
        ++(threw ? counts_.aborted_sleeps : counts_.full_sleeps);
        note(s, 5, threw);
        if (threw) lowlevel::checkpoint_if_cancelled();
    }

    void park_with_busy_abort(strand& s) {
        cancel_scope timeout{{.relative_deadline = s.a_while()}};
        place here{&timeout, s.at};
        enter(s, here);
        timeout.run([&] {
            const scope_exit left([&] { leave(s, here); });
            lowlevel::park([&](const lowlevel::raise_cancel&) {
                ++counts_.abort_functions;
                change_something(shared_random_);
                change_something(shared_random_);
                return lowlevel::abort::succeeded;
            });
        });
        check(timeout.cancel_called(), "a park has ended by itself");
        note(s, 6);
    }

    /// Cancels a scope, toggles a shield or moves a deadline, of any scope that is entered now.
    void change_something(std::mt19937_64& random) {
        if (live_.empty()) return;
        cancel_scope& chosen = *live_[random() % live_.size()]->scope;
        switch (random() % 6) {
        case 0:
            chosen.cancel();
            break;
        case 1:
        case 2:
        case 3:
            chosen.shield(!chosen.shield());
            break;
        default:
            chosen.deadline(now() + std::chrono::milliseconds(random() % 20));
        }
    }

    void swallow(strand& s, int depth) {
        place* const before = s.at;
        try {
            body(s, depth + 1);
        } catch (const cancelled&) {
            note(s, 7, true);
        } catch (const std::runtime_error&) {
            note(s, 8, true);
        }
        check(s.at == before, "the model is broken");
    }

    void enter(strand& s, place& here) {
        live_.push_back(&here);
        s.at = &here;
    }
    void leave(strand& s, place& here) {
        std::erase(live_, &here);
        s.at = here.parent;
    }

    void scope(strand& s, int depth) {
        cancel_scope scope;
        if (s.choose(2) == 0) scope.deadline(now() + s.a_while());
        scope.shield(s.choose(6) == 0);
        place here{&scope, s.at};
        bool cancelled_inside = false;
        bool absorbs = false;
        bool body_returned = false;
        std::exception_ptr left;
        const auto observed_body = [&] {
            enter(s, here);
            const scope_exit done([&] { leave(s, here); });
            try {
                body(s, depth + 1);
                body_returned = true;
            } catch (...) {
                cancelled_inside = has_cancelled(std::current_exception());
                absorbs = here.effective() && !here.outer_visible();
                throw;
            }
        };
        bool finished = false;
        try {
            finished = scope.run(observed_body);
        } catch (...) {
            left = std::current_exception();
        }
        const bool must_catch = cancelled_inside && absorbs;
        check(scope.cancelled_caught() == must_catch, "the wrong scope has absorbed a cancellation, or none has");
        check(finished == body_returned, "a scope reports wrongly whether its body finished");
        check(
            left == nullptr || has_cancelled(left) == (cancelled_inside && !absorbs), "a scope filters errors wrongly");
        counts_.absorbed += must_catch;
        counts_.passed_on += cancelled_inside && !absorbs;
        note(s, 9, left != nullptr);
        if (left != nullptr) std::rethrow_exception(left);
    }

    /// Counts the tasks of one nursery.
    struct census {
        int spawned = 0;
        int ended = 0;
    };

    void nursery_of_children(strand& s, int depth) {
        census children;
        place here{nullptr, s.at};
        std::exception_ptr left;
        const nursery* opened = nullptr;
        try {
            open_nursery([&](nursery& n) {
                opened = &n;
                here.scope = &n.cancel_scope();
                enter(s, here);
                nurseries_.push_back({&n, &here});
                for (std::uint64_t i = s.choose(4); i > 0; --i) {
                    ++children.spawned;
                    n.start_soon([&, depth, child = strand{std::mt19937_64(s.random()), ++labels_, &here}]() mutable {
                        const scope_exit done([&] { ++children.ended; });
                        body(child, depth + 1);
                    });
                }
                body(s, depth + 1);
            });
        } catch (...) {
            left = std::current_exception();
        }
        // Nobody has run since the nursery closed, so its scope has not been chosen for a change after its end.
        leave(s, here);
        std::erase_if(nurseries_, [&](const auto& each) { return each.first == opened; });
        check(children.spawned == children.ended, "a task outlives its nursery");
        const bool cancelled = left != nullptr && has_cancelled(left);
        check(!cancelled || s.at->effective(), "a nursery passes on a cancellation that is its own");
        counts_.groups += left != nullptr;
        note(s, 10, left != nullptr);
        if (left != nullptr && (cancelled || s.choose(2) == 0)) std::rethrow_exception(left);
    }

    void start(strand& s, int depth) {
        if (nurseries_.empty()) return;
        const auto chosen = nurseries_[s.choose(nurseries_.size())];
        nursery* const target = chosen.first;
        place* const target_place = chosen.second;
        if (target->closed()) return;
        place hidden{nullptr, s.at};
        const std::uint64_t label = ++labels_;
        const auto child = [&, random = std::mt19937_64(s.random()), label, depth, target,
                            target_place](task_status<std::uint64_t>& status) {
            place base{nullptr, &hidden};
            strand self{random, label, &base};
            nursery* const first_home = lowlevel::current_task().parent_nursery();
            hidden.scope = &first_home->cancel_scope();
            live_.push_back(&hidden);
            body(self, depth + 1);
            const bool moves = !hidden.effective();
            // From here on the frame of start() may go away; the model must know before abort functions run.
            if (moves) base.parent = target_place;
            status.started(label);
            check(
                (lowlevel::current_task().parent_nursery() == target) == moves, "started() has moved the wrong child");
            ++(moves ? counts_.moved_children : counts_.kept_children);
            note(self, 11, moves);
            body(self, depth + 1);
        };
        bool threw = true;
        const scope_exit gone([&] { std::erase(live_, &hidden); });
        try {
            check(target->start<std::uint64_t>(child) == label, "start() returns what it was not given");
            threw = false;
        } catch (const not_started&) {
            // The child was cancelled, and its cancellation was the hidden nursery's own.
        } catch (const cancelled&) {
            std::erase(live_, &hidden);
            check(s.at->effective(), "start() throws a cancellation that is its own");
            throw;
        }
        std::erase(live_, &hidden);
        note(s, 12, threw);
    }

    std::mt19937_64 shared_random_;  ///< for what belongs to no task: abort functions
    std::uint64_t seed_;
    std::uint64_t labels_ = 0;
    int operations_left_ = 150;
    int steps_ = 0;
    std::vector<place*> live_;  ///< every scope that is entered now
    std::vector<std::pair<nursery*, place*>> nurseries_;
    std::vector<sleeper> asleep_;
    std::uint64_t trace_ = 0;
    std::string failure_;
    random_program_counts counts_;
};

}  // namespace tombolo::testing
