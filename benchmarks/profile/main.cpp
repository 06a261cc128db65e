// The switch-latency profiler: how long single checkpoints take, beside what else there is to hand a thread over.

#include "benchmarks/profile/bad_usage.hpp"
#include "benchmarks/profile/options.hpp"
#include "benchmarks/profile/report.hpp"

#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

namespace profile {
namespace {

constexpr const char* help = R"(
Measures how long it takes to hand the thread to the next task, one hand-over at a
time, with 2 and with 1000 tasks: tombolo's checkpoint on this build's switch, a bare
jump_fcontext, Boost.Fiber's yield, and std::thread through a condition variable.

  --html FILE   also writes a report with histograms, one file that needs no other
  --samples N   hand-overs to measure (1000000); threads get a twentieth of them
  --quick       20000 samples: proves that it runs
  --help        prints this
)";

/// Says in the terminal what is being measured; nothing when the output goes to a file.
void show_progress(const std::string& what) {
    if (::isatty(STDERR_FILENO) != 0) {
        std::fprintf(stderr, "\r\033[K%s", what.c_str());
    }
}

report measure_all(const options& asked) {
    report result;
    const int core = keep_to_one_core();
    const calibration counter = calibrate();
    for (const int tasks : {2, 1000}) {
        for (const contender& who :
             {tombolo_checkpoint(), bare_jump_fcontext(), boost_fiber_yield(), std_thread_hand_over()}) {
            show_progress("measuring " + who.name + ", " + std::to_string(tasks) + " tasks");
            result.measurements.push_back(measure(who, tasks, asked.samples, counter));
        }
    }
    show_progress("");
    result.setting = describe_machine();
    result.setting.insert(
        result.setting.end(),
        {{"pinned to", "core " + std::to_string(core) + ", threads too"},
         {"counter", std::string{cycle_counter_name} + ", in steps of " + as_time(counter.resolution_ns())},
         {"overhead", as_time(counter.overhead_ns()) + " for reading it, already subtracted"}});
    return result;
}

void write_file(const std::string& name, const std::string& text) {
    std::ofstream file{name, std::ios::binary};
    file << text;
    if (!file.flush()) {
        throw std::runtime_error{"cannot write the report to \"" + name + "\""};
    }
}

int run(const options& asked) {
    if (asked.help) {
        std::printf("%s\n%s", usage, help);
        return 0;
    }
    if (!asked.html_file.empty()) {
        write_file(asked.html_file, "");  // A name that cannot be written is reported before the measuring, not after.
    }
    const report result = measure_all(asked);
    std::printf("%s", as_table(result).c_str());
    if (!asked.html_file.empty()) {
        write_file(asked.html_file, as_html(result));
        std::printf("\nreport in %s\n", asked.html_file.c_str());
    }
    return 0;
}

}  // namespace
}  // namespace profile

int main(int argc, char** argv) {
    try {
        return profile::run(profile::options::parse(argc, argv));
    } catch (const profile::bad_usage& error) {
        std::fprintf(stderr, "profile: %s\n%s\n", error.what(), profile::usage);
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "profile: %s\n", error.what());
        return 1;
    }
}
