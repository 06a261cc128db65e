#pragma once

#include "limits.hpp"
#include "resource.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace legacy_island {

/// What the command line asks for.
struct options {
    std::vector<resource> resources;  // none: start the embedded server and fetch from that
    limits bounds;
    int embedded_resources = 24;
    std::chrono::milliseconds embedded_delay{100};
    bool help = false;
};

/// Reads the command line, and the files it names.
/// Throws: bad_argument.
options parse_options(int argc, const char* const* argv);

std::string usage_line();
std::string help_text();

}  // namespace legacy_island
