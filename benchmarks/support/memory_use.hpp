#pragma once

#include <cstddef>
#include <fstream>
#include <limits>
#include <string>

#include <unistd.h>

namespace bench {

/// What the kernel charges this process with at one moment.
struct memory_use {
    std::size_t resident_bytes = 0;
    std::size_t page_table_bytes = 0;
    std::size_t mappings = 0;

    static memory_use now() {
        memory_use use;
        std::ifstream pages{"/proc/self/statm"};
        std::size_t total = 0;
        std::size_t resident = 0;
        pages >> total >> resident;
        use.resident_bytes = resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        use.page_table_bytes = kilobytes_of("/proc/self/status", "VmPTE:") * 1024;
        std::ifstream maps{"/proc/self/maps"};
        for (std::string line; std::getline(maps, line);) {
            ++use.mappings;
        }
        return use;
    }

    /// What the machine can still give out without swapping.
    static std::size_t available_bytes() { return kilobytes_of("/proc/meminfo", "MemAvailable:") * 1024; }

private:
    static std::size_t kilobytes_of(const char* path, const std::string& label) {
        std::ifstream file{path};
        std::string word;
        std::size_t value = 0;
        while (file >> word) {
            if (word == label && file >> value) {
                return value;
            }
            file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
        }
        return 0;
    }
};

}  // namespace bench
