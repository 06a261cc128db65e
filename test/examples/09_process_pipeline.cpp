// tr | sort | uniq -c, as a shell would join them, but the pipes between the programs are streams of ours: a task of this program may
// look at what passes. A deadline is around all of it, and whatever happens, no program runs on behind our back.

#include <tombolo/tombolo.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
namespace tb = tombolo;
namespace os = tombolo::os;

/// All that comes from one program goes to the next, and then the end. Returns how many bytes that were.
std::size_t pass_on(os::fd_stream& from, os::fd_stream& to) {
    std::size_t passed = 0;
    std::array<char, 4096> part;
    while (const std::size_t count = from.receive_some(part)) {
        to.send_all(tb::const_bytes(part).up_to(count));
        passed += count;
    }
    to.aclose();
    return passed;
}

/// What the last program says when the first one has read `text`.
std::string pipeline(const std::vector<os::command>& programs, std::string_view text) {
    os::environment plain = os::current_environment();
    plain["LC_ALL"] = "C";
    return tb::open_nursery([&](tb::nursery& n) {
        std::vector<os::process> running;
        for (const os::command& program : programs)
            running.push_back(n.start<os::process>([&plain, program](tb::task_status<os::process>& status) {
                os::run_process(
                    program, status,
                    {.standard_input = os::redirect::pipe,
                     .standard_output = os::redirect::pipe,
                     .environment = plain});
            }));
        for (std::size_t i = 1; i < running.size(); ++i)
            n.start_soon([from = running[i - 1], to = running[i], i]() mutable {
                const std::size_t passed = pass_on(from.standard_output(), to.standard_input());
                std::cout << passed << " bytes went through pipe " << i << '\n';
            });
        n.start_soon([text, first = running.front()]() mutable {
            first.standard_input().send_all(text);
            first.standard_input().aclose();
        });
        std::string result;
        std::array<char, 4096> part;
        while (const std::size_t count = running.back().standard_output().receive_some(part))
            result.append(part.data(), count);
        return result;
    });
}

int main() {
    tb::run([] {
        const std::string counted = tb::fail_after(10s, [] {
            return pipeline({{"tr", " ", "\n"}, {"sort"}, {"uniq", "-c"}}, "sea sand sea island sand sea\n");
        });
        std::cout << counted;

        // One that never ends. The deadline ends it, and both programs with it.
        const auto endless = tb::move_on_after(50ms, [] { return pipeline({{"yes"}, {"cat"}}, ""); });
        std::cout << (endless ? "yes came to an end\n" : "enough of yes\n");

        // Without pipes of our own it is one call.
        const os::completed_process sorted =
            os::run_process({"sort", "-u"}, {.input = "b\na\nb\n", .capture_output = true});
        std::cout << sorted.output;
        try {
            os::run_process(os::shell_command("echo out of sand >&2; exit 3"), {.capture_output = true});
        } catch (const os::process_failed& error) {
            std::cout << error.what() << '\n';
        }
    });
}
