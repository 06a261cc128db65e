#include <tombolo/fibers/os/command.hpp>

#include <tombolo/fibers/errors.hpp>

#include <utility>

namespace tombolo::os {

command::command(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {
    if (arguments_.empty() || arguments_.front().empty())
        throw usage_error("os::command: there is no program; name it first: {\"sort\", \"-u\"}");
    for (const std::string& each : arguments_)
        if (each.find('\0') != std::string::npos)
            throw usage_error("os::command: an argument of \"" + arguments_.front() + "\" contains a zero byte");
}

std::string command::to_string() const {
    constexpr std::size_t most = 200;
    std::string line;
    for (const std::string& each : arguments_) {
        if (!line.empty()) line += ' ';
        const bool plain = !each.empty() && each.find_first_of(" \t\n\"'\\$&|;<>()*?#~") == std::string::npos;
        line += plain ? each : '\'' + each + '\'';
        if (line.size() > most) return line.substr(0, most) + "...";
    }
    return line;
}

}  // namespace tombolo::os
