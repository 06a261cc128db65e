// Values through channels. `channel_round_trip/<library>/<capacity>`: two tasks and two channels, ns per question and answer
// (two sends, two receives; capacity 0 is a rendezvous). `channel_try/<library>/<capacity>`: one task, ns per pair of
// try_send and try_receive. `channel_throughput/<library>/<capacity>`: one task sends, another receives, ns per value.
// `two_threads` is a queue under a std::mutex with two condition variables, each end on a thread of its own; it has no
// rendezvous, and its two threads share the core that scripts/bench pins. Boost.Fiber has no buffer of one: its
// buffered_channel takes powers of two, less one place that stays free.

#include <tombolo/fibers/channel.hpp>

#include "benchmarks/support/boost_fibers.hpp"
#include "benchmarks/support/floor.hpp"
#include "benchmarks/support/locked_queue.hpp"
#include "benchmarks/support/subject.hpp"

#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>

#include <boost/fiber/buffered_channel.hpp>
#include <boost/fiber/unbuffered_channel.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace {

constexpr int stop = -1;
constexpr int per_round = 1000;

void expect(int got, int wanted) {
    if (got != wanted) [[unlikely]]
        throw std::logic_error{"a channel gave a wrong value"};
}

// ---- tombolo

void round_trip_tombolo(benchmark::State& state, int capacity) {
    tombolo::run([&] {
        auto [questions, to_answer] = tombolo::open_channel<int>(capacity);
        auto [answers, to_read] = tombolo::open_channel<int>(capacity);
        tombolo::open_nursery([&](tombolo::nursery& nursery) {
            nursery.start_soon([&] {
                for (int question = to_answer.receive(); question != stop; question = to_answer.receive()) {
                    answers.send(question + 1);
                }
            });
            int question = 0;
            bench::measure_warm(state, per_round, [&] {
                for (int i = 0; i < per_round; ++i) {
                    questions.send(++question);
                    expect(to_read.receive(), question + 1);
                }
            });
            questions.send(stop);
        });
    });
}

void try_tombolo(benchmark::State& state, int capacity) {
    tombolo::run([&] {
        auto [tx, rx] = tombolo::open_channel<int>(capacity);
        int value = 0;
        bench::measure_warm(state, per_round, [&] {
            for (int i = 0; i < per_round; ++i) {
                tx.try_send(++value);
                expect(rx.try_receive().value_or(stop), value);
            }
        });
    });
}

void throughput_tombolo(benchmark::State& state, int capacity) {
    tombolo::run([&] {
        auto [tx, rx] = tombolo::open_channel<int>(capacity);
        tombolo::open_nursery([&](tombolo::nursery& nursery) {
            nursery.start_soon([&, tx = std::move(tx), finished = false]() mutable {
                try {
                    for (int value = 0;; ++value) {
                        tx.send(value);
                    }
                } catch (const tombolo::broken_resource&) {
                    finished = true;
                }
            });
            int expected = 0;
            bench::measure_warm(state, per_round, [&] {
                for (int i = 0; i < per_round; ++i) {
                    expect(rx.receive(), expected++);
                }
            });
            rx.close();
        });
    });
}

// ---- Boost.Fiber

template <typename Channel, typename... Capacity>
void round_trip_boost(benchmark::State& state, Capacity... capacity) {
    bench::boost_fiber_stacks stacks;
    Channel questions{capacity...};
    Channel answers{capacity...};
    auto other = bench::post_fiber(stacks, [&] {
        int question = 0;
        while (questions.pop(question) == boost::fibers::channel_op_status::success) {
            answers.push(question + 1);
        }
    });
    int question = 0;
    bench::measure_warm(state, per_round, [&] {
        for (int i = 0; i < per_round; ++i) {
            questions.push(++question);
            expect(answers.value_pop(), question + 1);
        }
    });
    questions.close();
    other.join();
}

template <typename Channel, typename... Capacity>
void throughput_boost(benchmark::State& state, Capacity... capacity) {
    bench::boost_fiber_stacks stacks;
    Channel channel{capacity...};
    auto other = bench::post_fiber(stacks, [&] {
        for (int value = 0; channel.push(value) == boost::fibers::channel_op_status::success; ++value) {}
    });
    int expected = 0;
    bench::measure_warm(state, per_round, [&] {
        for (int i = 0; i < per_round; ++i) {
            expect(channel.value_pop(), expected++);
        }
    });
    channel.close();
    other.join();
}

void try_boost(benchmark::State& state, std::size_t capacity) {
    boost::fibers::buffered_channel<int> channel{capacity};
    int value = 0;
    bench::measure_warm(state, per_round, [&] {
        for (int i = 0; i < per_round; ++i) {
            channel.try_push(++value);
            int got = stop;
            channel.try_pop(got);
            expect(got, value);
        }
    });
}

using unbuffered = boost::fibers::unbuffered_channel<int>;
using buffered = boost::fibers::buffered_channel<int>;

void round_trip_boost_unbuffered(benchmark::State& state) { round_trip_boost<unbuffered>(state); }
void round_trip_boost_buffered(benchmark::State& state, std::size_t capacity) {
    round_trip_boost<buffered>(state, capacity);
}
void throughput_boost_unbuffered(benchmark::State& state) { throughput_boost<unbuffered>(state); }
void throughput_boost_buffered(benchmark::State& state, std::size_t capacity) {
    throughput_boost<buffered>(state, capacity);
}

// ---- two threads

void round_trip_threads(benchmark::State& state, std::size_t capacity) {
    bench::locked_queue questions{capacity};
    bench::locked_queue answers{capacity};
    std::thread other{[&] {
        for (int question = questions.pop(); question != stop; question = questions.pop()) {
            answers.push(question + 1);
        }
    }};
    int question = 0;
    bench::measure_warm(state, per_round, [&] {
        for (int i = 0; i < per_round; ++i) {
            questions.push(++question);
            expect(answers.pop(), question + 1);
        }
    });
    questions.push(stop);
    other.join();
}

void throughput_threads(benchmark::State& state, std::size_t capacity) {
    bench::locked_queue queue{capacity};
    std::thread other{[&] {
        for (int value = 0; queue.push(value); ++value) {}
    }};
    int expected = 0;
    bench::measure_warm(state, per_round, [&] {
        for (int i = 0; i < per_round; ++i) {
            expect(queue.pop(), expected++);
        }
    });
    queue.close();
    other.join();
}

void try_locked(benchmark::State& state, std::size_t capacity) {
    bench::locked_queue queue{capacity};
    int value = 0;
    bench::measure_warm(state, per_round, [&] {
        for (int i = 0; i < per_round; ++i) {
            queue.push(++value);
            expect(queue.pop(), value);
        }
    });
}

// ---- floor

/// A rendezvous on the floor: a slot, who waits, and nothing else.
class floor_slot {
public:
    explicit floor_slot(bench::floor& on) : floor_(on) {}

    [[gnu::always_inline]] void send(int value) {
        if (waiter_ != nullptr) {
            value_ = value;
            floor_.wake(*std::exchange(waiter_, nullptr));
            floor_.yield();
        } else {
            value_ = value;
            waiter_ = &floor_.running();
            floor_.park();
        }
    }

    [[gnu::always_inline]] int receive() {
        if (waiter_ != nullptr) {
            const int value = value_;
            floor_.wake(*std::exchange(waiter_, nullptr));
            floor_.yield();
            return value;
        }
        waiter_ = &floor_.running();
        floor_.park();
        return value_;
    }

private:
    bench::floor& floor_;
    bench::floor::task* waiter_ = nullptr;
    int value_ = 0;
};

void round_trip_floor(benchmark::State& state) {
    bench::floor floor;
    floor_slot questions{floor};
    floor_slot answers{floor};
    floor.spawn([&] {
        for (int question = questions.receive(); question != stop; question = questions.receive()) {
            answers.send(question + 1);
        }
    });
    int question = 0;
    bench::measure_warm(state, per_round, [&] {
        for (int i = 0; i < per_round; ++i) {
            questions.send(++question);
            expect(answers.receive(), question + 1);
        }
    });
    questions.send(stop);
    floor.join();
}

}  // namespace

int main(int argc, char** argv) {
    bench::add("channel_round_trip/tombolo/0", round_trip_tombolo, 0);
    bench::add("channel_round_trip/boost_fiber/0", round_trip_boost_unbuffered);
    bench::add("channel_round_trip/floor/0", round_trip_floor);
    bench::add("channel_round_trip/tombolo/1", round_trip_tombolo, 1);
    bench::add("channel_round_trip/boost_fiber/1", round_trip_boost_buffered, std::size_t{2});
    bench::add("channel_round_trip/two_threads/1", round_trip_threads, std::size_t{1});
    bench::add("channel_try/tombolo/64", try_tombolo, 64);
    bench::add("channel_try/boost_fiber/64", try_boost, std::size_t{64});
    bench::add("channel_try/locked_queue/64", try_locked, std::size_t{64});
    bench::add("channel_throughput/tombolo/0", throughput_tombolo, 0);
    bench::add("channel_throughput/boost_fiber/0", throughput_boost_unbuffered);
    bench::add("channel_throughput/tombolo/64", throughput_tombolo, 64);
    bench::add("channel_throughput/boost_fiber/64", throughput_boost_buffered, std::size_t{64});
    bench::add("channel_throughput/two_threads/64", throughput_threads, std::size_t{64});
    return bench::run_subjects(argc, argv);
}
