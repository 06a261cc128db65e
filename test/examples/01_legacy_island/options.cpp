#include "options.hpp"

#include "bad_argument.hpp"

#include <charconv>
#include <cmath>
#include <fstream>
#include <span>
#include <string_view>

namespace legacy_island {

namespace {

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

std::chrono::milliseconds parse_seconds(std::string_view name, std::string_view text) {
    constexpr double longest = 1'000'000;
    double seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc() || end != text.data() + text.size() || !(seconds >= 0.001 && seconds <= longest)) {
        throw bad_argument(std::string(name) + " wants seconds from 0.001 to 1000000, not " + quoted(text));
    }
    return std::chrono::milliseconds(std::llround(seconds * 1000));
}

long parse_whole(std::string_view name, std::string_view text, long least, long most) {
    long value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
        throw bad_argument(
            std::string(name) + " wants a whole number from " + std::to_string(least) + " to " + std::to_string(most) +
            ", not " + quoted(text));
    }
    return value;
}

// A comment begins with '#' at the start of a line or after a space: inside a word it is part of the resource.
std::string_view without_comment(std::string_view line) {
    constexpr std::string_view blank = " \t\r";
    for (std::size_t at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1)) {
        if (at == 0 || blank.find(line[at - 1]) != std::string_view::npos) {
            line = line.substr(0, at);
            break;
        }
    }
    const std::size_t begin = line.find_first_not_of(blank);
    if (begin == std::string_view::npos) return {};
    return line.substr(begin, line.find_last_not_of(blank) + 1 - begin);
}

void read_resources(const std::string& name, std::vector<resource>& resources) {
    std::ifstream file(name);
    if (!file) {
        throw bad_argument("cannot read the file " + quoted(name));
    }
    const std::size_t before = resources.size();
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
        const std::string_view item = without_comment(line);
        if (item.empty()) continue;
        try {
            resources.push_back(parse_resource(item));
        } catch (const bad_argument& error) {
            throw bad_argument(name + ":" + std::to_string(number) + ": " + error.what());
        }
    }
    if (file.bad()) {
        throw bad_argument("cannot read the file " + quoted(name));
    }
    if (resources.size() == before) {
        throw bad_argument("no resources in the file " + quoted(name));
    }
}

}  // namespace

options parse_options(int argc, const char* const* argv) {
    options parsed;
    bool shapes_embedded_server = false;
    bool options_ended = false;
    const std::span arguments(argv, static_cast<std::size_t>(argc));
    for (std::size_t at = 1; at < arguments.size(); ++at) {
        const std::string_view argument = arguments[at];
        if (!options_ended && argument.starts_with('-')) {
            const std::size_t equals = argument.find('=');
            const std::string_view name = argument.substr(0, equals);
            const auto value = [&]() -> std::string_view {
                if (equals != std::string_view::npos) return argument.substr(equals + 1);
                if (at + 1 == arguments.size()) throw bad_argument(std::string(name) + " wants a value");
                return arguments[++at];
            };
            if (argument == "--") {
                options_ended = true;
            } else if (argument == "--help" || argument == "-h") {
                parsed.help = true;
            } else if (name == "--file") {
                read_resources(std::string(value()), parsed.resources);
            } else if (name == "--request-deadline") {
                parsed.bounds.request = parse_seconds(name, value());
            } else if (name == "--overall-deadline") {
                parsed.bounds.overall = parse_seconds(name, value());
            } else if (name == "--body-limit") {
                parsed.bounds.body_bytes = static_cast<std::size_t>(parse_whole(name, value(), 1, 1L << 30));
            } else if (name == "--resources") {
                parsed.embedded_resources = static_cast<int>(parse_whole(name, value(), 1, 4000));
                shapes_embedded_server = true;
            } else if (name == "--delay") {
                parsed.embedded_delay = std::chrono::milliseconds(parse_whole(name, value(), 0, 60'000));
                shapes_embedded_server = true;
            } else {
                throw bad_argument("unknown option " + quoted(argument));
            }
        } else if (argument.starts_with('@')) {
            read_resources(std::string(argument.substr(1)), parsed.resources);
        } else {
            parsed.resources.push_back(parse_resource(argument));
        }
    }
    if (shapes_embedded_server && !parsed.resources.empty()) {
        throw bad_argument(
            "--resources and --delay are for the embedded server, which starts only if no resource is named");
    }
    return parsed;
}

std::string usage_line() { return "usage: 01_legacy_island [OPTION]... [host:port/path | @FILE]...\n"; }

std::string help_text() {
    return usage_line() +
        R"(
Fetches many HTTP resources twice: one after the other with blocking sockets, then all at once with the same code
inside an async island. Without resources it starts a server of its own whose replies are delayed.

  host:port/path              a resource, over plain HTTP/1.1
  @FILE, --file FILE          resources from a file, one per line; # begins a comment
  --request-deadline SECONDS  for one resource, from connect to the last byte (5)
  --overall-deadline SECONDS  for each pass over all resources (60)
  --body-limit BYTES          the longest body that is read (8388608)
  --resources N               how many resources the embedded server has (24)
  --delay MS                  the mean delay of its replies (100)

Names are looked up before the clock starts. Exit code: 0 if all was fetched twice, 1 if something was not, 2 for bad
arguments, 130 after Ctrl-C. A status of 400 or more counts as not fetched.
)";
}

}  // namespace legacy_island
