#pragma once

#include <initializer_list>
#include <string>
#include <vector>

namespace tombolo::os {

/// A line for the shell: `run_process(shell_command("ls | wc -l"))`. It is a type of its own so that no string becomes shell code
/// by accident: what comes from outside belongs into the arguments of a command instead.
struct shell_command {
    explicit shell_command(std::string text) : line(std::move(text)) {}
    std::string line;
};

/// A program and its arguments, as it gets them: `{"sort", "-u"}`. A program without a slash is looked for along PATH, that of the
/// child's environment. There is no conversion from a single string: say `{"sort"}` or `shell_command("...")`.
class command {
public:
    /// Throws: usage_error when there is no program, or a zero byte somewhere.
    command(std::initializer_list<std::string> arguments) : command(std::vector<std::string>(arguments)) {}
    command(std::vector<std::string> arguments);
    /// `/bin/sh -c line`.
    command(const shell_command& shell) : command{"/bin/sh", "-c", shell.line} {}

    /// The first one is the program. Never empty.
    const std::vector<std::string>& arguments() const noexcept { return arguments_; }
    const std::string& program() const noexcept { return arguments_.front(); }
    /// For people: quoted, in one line, the end of a long one left out.
    std::string to_string() const;

private:
    std::vector<std::string> arguments_;
};

}  // namespace tombolo::os
