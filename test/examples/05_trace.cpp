// Records what a small order desk does, and writes it as a trace: open trace.json in https://ui.perfetto.dev.
//
// A reader puts orders into a channel; three workers take them out, and for each one charge and reserve at the same time,
// within 150 ms. The supplier of order 4 does not answer. An auditor would go on for ever.

#include <tombolo/tombolo.hpp>

#include <chrono>
#include <iostream>
#include <map>
#include <string>

using namespace std::chrono_literals;
namespace tb = tombolo;

namespace {

struct order_desk {
    std::map<int, std::string> outcome;

    static void charge(int order) { tb::sleep_for(std::chrono::milliseconds(8 + 4 * (order % 3))); }

    static void reserve(int order) {
        if (order == 4) tb::sleep_forever();  // nobody answers
        tb::sleep_for(std::chrono::milliseconds(4 + 6 * (order % 4)));
    }

    void handle(int order) {
        const std::string which = " order " + std::to_string(order);
        try {
            tb::fail_after(150ms, [&] {
                tb::open_nursery([&](tb::nursery& n) {
                    n.start_soon([&] { charge(order); }, {.name = "charge" + which});
                    n.start_soon([&] { reserve(order); }, {.name = "reserve" + which});
                });
            });
            outcome[order] = "shipped";
        } catch (const tb::too_slow&) {
            outcome[order] = "timed out";
        }
    }

    void audit() {
        try {
            for (;;) {
                tb::sleep_for(20ms);
                tb::checkpoint();
            }
        } catch (const tb::cancelled& why) {
            std::cout << "auditor: cancelled, " << why.reason() << '\n';
            throw;
        }
    }

    void open() {
        tb::open_nursery([&](tb::nursery& desk) {
            desk.start_soon([&] { audit(); }, {.name = "auditor"});
            auto [orders, inbox] = tb::open_channel<int>(2);
            tb::open_nursery([&](tb::nursery& shift) {
                shift.start_soon(
                    [tx = std::move(orders)]() mutable {
                        for (int order = 1; order <= 8; ++order) {
                            tb::sleep_for(4ms);
                            tx.send(order);
                        }
                        tx.close();
                    },
                    {.name = "reader"});
                for (const char* name : {"worker A", "worker B", "worker C"})
                    shift.start_soon(
                        [&, rx = inbox.clone()]() mutable {
                            for (const int order : rx) handle(order);
                        },
                        {.name = name});
            });
            desk.cancel_scope().cancel("all orders are done");
        });
    }
};

}  // namespace

int main(int argc, char** argv) {
    const std::string path = argc > 1 ? argv[1] : "trace.json";
    order_desk desk;
    tb::trace_recorder recorder;
    tb::run([&] { desk.open(); }, {.instruments = {&recorder}});
    recorder.write_file(path);
    for (const auto& [order, outcome] : desk.outcome) std::cout << "order " << order << ": " << outcome << '\n';
    std::cout << "dropped events: " << recorder.statistics().dropped << '\n';
}
