#include <tombolo/tombolo.hpp>

#include <chrono>
#include <cstdio>
#include <optional>

using namespace std::chrono_literals;
namespace tb = tombolo;

int main() {
    int sum = 0;
    const std::optional<int> answer = tb::run([&] {
        tb::open_nursery([&](tb::nursery& nursery) {
            for (int i = 1; i <= 3; ++i) {
                nursery.start_soon([&sum, i] {
                    tb::sleep_for(1ms);
                    sum += i;
                });
            }
        });
        const bool finished = tb::move_on_after(1ms, [] { tb::sleep_forever(); });
        return finished ? std::optional<int>{} : std::optional<int>{sum};
    });
    if (answer != 6) {
        std::puts("the three tasks and the deadline did not work as they must");
        return 1;
    }
    std::puts("6");
}
