#pragma once

#include <tombolo/fibers/errors.hpp>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tombolo::os {

/// Where a standard stream of a child process comes from or goes to.
class redirect {
public:
    /// It is this process's own.
    static const redirect inherit;
    /// A pipe, whose other end is a stream of the process object.
    static const redirect pipe;
    /// The null device: an end of file to read, nowhere to write.
    static const redirect null;
    /// For standard error: where standard output goes.
    static const redirect to_stdout;
    /// An open descriptor, which stays the caller's. A non-blocking one, as fd_stream has them, is non-blocking for the child too, and
    /// few programs expect that.
    /// Throws: invalid_descriptor when it is negative.
    static redirect descriptor(int fd);

    bool operator==(const redirect&) const noexcept = default;
    bool is_descriptor() const noexcept { return kind_ == kind::descriptor; }
    /// -1 unless is_descriptor().
    int fd() const noexcept { return fd_; }

private:
    enum class kind : unsigned char { inherit, pipe, null, to_stdout, descriptor };
    constexpr explicit redirect(kind what, int fd = -1) noexcept : kind_(what), fd_(fd) {}

    kind kind_;
    int fd_;
};

inline constexpr redirect redirect::inherit{redirect::kind::inherit};
inline constexpr redirect redirect::pipe{redirect::kind::pipe};
inline constexpr redirect redirect::null{redirect::kind::null};
inline constexpr redirect redirect::to_stdout{redirect::kind::to_stdout};

using environment = std::map<std::string, std::string>;

/// A copy of this process's environment, to be changed and given to a child.
/// Checkpoint: never. Requires: no other thread changes the environment meanwhile.
environment current_environment();

struct process_options {
    redirect standard_input = redirect::inherit;
    redirect standard_output = redirect::inherit;
    redirect standard_error = redirect::inherit;

    /// Where the child starts; empty: here. A relative program path counts from there.
    std::filesystem::path directory = {};

    /// All of the child's environment; absent: this process's.
    std::optional<os::environment> environment = std::nullopt;

    /// Signals that the terminal or kill(-pid) sends to a group: a group of its own keeps Ctrl-C from the child.
    bool new_process_group = false;
    /// A session, and so a group, of its own: no controlling terminal. Not together with new_process_group.
    bool new_session = false;

    /// Descriptors above 2 that the child gets under the same numbers. It gets no others, however they were opened (on Linux
    /// before 5.11: no others that close on exec).
    std::vector<int> pass_descriptors = {};

    /// True: no signal is blocked in the child, and none ignored but SIGHUP, SIGINT and SIGQUIT, where nohup or a shell's `&` told
    /// this process to ignore them. False: what the caller's thread blocks and this process ignores, the child does too.
    /// Handlers are never inherited.
    bool reset_signals = true;
};

}  // namespace tombolo::os
