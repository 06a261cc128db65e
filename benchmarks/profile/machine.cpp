#include "benchmarks/profile/machine.hpp"

#include <ctime>
#include <fstream>
#include <thread>

#include <sched.h>
#include <sys/utsname.h>

namespace profile {
namespace {

std::string cpu_model() {
    std::ifstream cpuinfo{"/proc/cpuinfo"};
    for (std::string line; std::getline(cpuinfo, line);) {
        const auto colon = line.find(": ");
        // x86 says "model name"; AArch64 often has only the numbers of the implementer and the part.
        if (colon != std::string::npos && (line.starts_with("model name") || line.starts_with("CPU part"))) {
            return line.starts_with("CPU part") ? "AArch64, part " + line.substr(colon + 2) : line.substr(colon + 2);
        }
    }
    return "unknown";
}

bool has_hypervisor() {
    std::ifstream cpuinfo{"/proc/cpuinfo"};
    for (std::string line; std::getline(cpuinfo, line);) {
        if (line.starts_with("flags")) {
            return line.find(" hypervisor") != std::string::npos;
        }
    }
    return false;
}

std::string kernel() {
    utsname names{};
    ::uname(&names);
    return std::string{names.sysname} + " " + names.release + " " + names.machine;
}

std::string compiler() {
#if defined(__clang__)
    std::string name = "clang " __clang_version__;
#else
    std::string name = "g++ " __VERSION__;
#endif
#if defined(__OPTIMIZE__)
    return name + ", optimized";
#else
    return name + ", NOT optimized: the figures mean nothing";
#endif
}

std::string date() {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    ::gmtime_r(&now, &utc);
    char text[64];
    std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &utc);
    return text;
}

}  // namespace

description describe_machine() {
    const unsigned cores = std::thread::hardware_concurrency();
    return {
        {"processor",
         cpu_model() + ", " + std::to_string(cores) + (cores == 1 ? " core" : " cores") +
             (has_hypervisor() ? ", virtual machine" : "")},
        {"kernel", kernel()},
        {"compiler", compiler()},
        {"date", date()}};
}

int keep_to_one_core() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    ::sched_getaffinity(0, sizeof allowed, &allowed);
    int last = 0;
    for (int core = 0; core < CPU_SETSIZE; ++core) {
        last = CPU_ISSET(core, &allowed) ? core : last;
    }
    CPU_ZERO(&allowed);
    CPU_SET(last, &allowed);
    ::sched_setaffinity(0, sizeof allowed, &allowed);
    return last;
}

}  // namespace profile
