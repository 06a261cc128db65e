// A program for debuggers: two runs whose tasks are parked at known places in nested nurseries. Then the task called
// "stops" either aborts (parked_tasks abort) or waits to be attached to (parked_tasks wait).

#include <tombolo/tombolo.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <latch>
#include <thread>

#include <unistd.h>

namespace {

using namespace std::chrono_literals;
namespace tb = tombolo;

// Functions whose frames must be found: neither inlined nor left by a tail call.
#define FRAME [[gnu::noinline]]
volatile int after_the_call = 0;
#define NO_TAIL_CALL() after_the_call = after_the_call + 1

thread_local tb::lowlevel::parking_lot lot;  // belongs to the run that uses it

FRAME void wait_for_bytes(int missing) {
    lot.park();
    after_the_call = missing;
}

FRAME void read_header() {
    wait_for_bytes(7);
    NO_TAIL_CALL();
}

FRAME void serve_client() {
    read_header();
    NO_TAIL_CALL();
}

FRAME void sleep_in_a_catch_block() {
    try {
        throw 1;
    } catch (int) {
        tb::sleep_for(1h);
    }
    NO_TAIL_CALL();
}

FRAME void yield_for_ever() {
    for (;;) tb::checkpoint();
}

FRAME void clean_up_after_cancel() {
    tb::cancel_scope enough;
    enough.cancel("had enough");
    enough.run([] { tb::cancel_scope{{.shield = true}}.run([] { tb::sleep_forever(); }); });
    NO_TAIL_CALL();
}

FRAME void stop_here(bool abort_now) {
    std::puts("stopped");
    std::fflush(stdout);
    if (abort_now) std::abort();
    for (;;) ::pause();
}

void open_inner_nurseries() {
    tb::open_nursery([](tb::nursery& outer) {
        outer.start_soon(serve_client, {.name = "client"});
        tb::open_nursery([](tb::nursery& inner) {
            inner.start_soon(sleep_in_a_catch_block, {.name = "sleeper"});
            inner.start_soon(clean_up_after_cancel, {.name = "cancelled"});
        });
    });
}

void main_task(bool abort_now) {
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon(open_inner_nurseries, {.name = "parent"});
        n.start_soon(yield_for_ever, {.name = "yields"});
        n.start_soon([] { serve_client(); });
        n.start_soon(serve_client, {.name = "twin 1"});
        n.start_soon(serve_client, {.name = "twin"});
        for (int i = 0; i < 10; ++i) tb::checkpoint();
        n.start_soon(
            [&] {
                n.start_soon([] {}, {.name = "twin"});
                stop_here(abort_now);
            },
            {.name = "stops"});
    });
}

}  // namespace

int main(int count, char** arguments) {
    const bool abort_now = count == 2 && std::strcmp(arguments[1], "abort") == 0;
    std::latch both(2);
    // It ends with the process.
    std::thread([&both] {
        tb::run([&both] {
            both.count_down();
            tb::open_nursery([](tb::nursery& n) { n.start_soon(serve_client, {.name = "elsewhere"}); });
        });
    }).detach();
    both.arrive_and_wait();
    tb::run([abort_now] { main_task(abort_now); });
}
