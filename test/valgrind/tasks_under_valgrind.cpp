#include <tombolo/tombolo.hpp>

#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

// What a program does with stacks: run under valgrind, which must find nothing to say.

namespace {

using namespace std::chrono_literals;
namespace tb = tombolo;

// Deep enough for large jumps of the stack pointer, and it switches at every depth.
int descend(int depth) {
    volatile char frame[512];
    for (volatile char& byte : frame) byte = static_cast<char>(depth);
    if (depth % 8 == 0) tb::checkpoint();
    return depth == 0 ? 0 : descend(depth - 1) + frame[0] - frame[511] + 1;
}

int descend_in_tasks(std::size_t stack_size) {
    int sum = 0;
    tb::open_nursery([&](tb::nursery& n) {
        for (int i = 0; i < 40; ++i) n.start_soon([&] { sum += descend(64); }, {.stack_size = stack_size});
    });
    return sum;
}

int throw_in_tasks() {
    int caught = 0;
    for (int i = 0; i < 20; ++i) {
        try {
            tb::open_nursery([](tb::nursery& n) {
                n.start_soon([] {
                    tb::checkpoint();
                    throw std::runtime_error("expected");
                });
                n.start_soon([] { tb::sleep_forever(); });
            });
        } catch (const tb::exception_group&) {
            ++caught;
        }
    }
    return caught;
}

int time_out_in_tasks() {
    int timed_out = 0;
    tb::open_nursery([&](tb::nursery& n) {
        for (int i = 0; i < 20; ++i)
            n.start_soon([&] {
                std::vector<std::string> kept(3, "a text that is longer than a small string has room for");
                if (!tb::move_on_after(1ms, [] { tb::sleep_forever(); })) ++timed_out;
            });
    });
    return timed_out;
}

bool is(const char* what, int got, int expected) {
    if (got == expected) return true;
    std::printf("%s: %d instead of %d\n", what, got, expected);
    return false;
}

}  // namespace

int main() {
    bool good = true;
    // Twice: the second run takes its stacks from what the first one left, and reads how much of them was used.
    for (const bool measures_stacks : {false, true}) {
        const auto main = [&] {
            good &= is("descents", descend_in_tasks(256 * 1024), 40 * 64);
            good &= is("descents on small stacks", descend_in_tasks(128 * 1024), 40 * 64);
            good &= is("errors", throw_in_tasks(), 20);
            good &= is("timeouts", time_out_in_tasks(), 20);
        };
        tb::run(main, {.measure_stacks = measures_stacks});
    }
    return good ? 0 : 1;
}
