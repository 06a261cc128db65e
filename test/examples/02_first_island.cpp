#include <tombolo/tombolo.hpp>

#include <chrono>
#include <iostream>

using namespace std::chrono_literals;
namespace tb = tombolo;

int main() {
    const int answer = tb::run([] {            // an island: fibers run inside this call
        tb::open_nursery([](tb::nursery& n) {  // which is left when every child has ended
            n.start_soon([] {
                tb::sleep_for(20ms);
                std::cout << "world\n";
            });
            n.start_soon([] { std::cout << "hello\n"; });
        });
        const bool finished = tb::move_on_after(30ms, [] { tb::sleep_for(1h); });  // a deadline around anything
        return finished ? 0 : 42;
    });
    std::cout << answer << '\n';  // the mainland again
}
