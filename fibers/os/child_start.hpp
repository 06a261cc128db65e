#pragma once

#include <tombolo/base/unique_fd.hpp>
#include <tombolo/fibers/os/command.hpp>
#include <tombolo/fibers/os/process_options.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace tombolo::kernel {

struct started_child {
    int pid = -1;
    unique_fd pidfd;
};

/// All that a child needs between its birth and its program, laid out beforehand: it shares the parent's memory meanwhile,
/// and may not allocate, lock or look anything up.
///
/// Why not posix_spawn: glibc 2.36 hands out no pidfd with the child, closes descriptors by position only, and says neither which
/// step failed nor which of two.
class child_start {
public:
    /// Checks what can be checked and copies all. `standard` are the descriptors for 0, 1 and 2; -1: inherited.
    /// Throws: usage_error; invalid_descriptor.
    child_start(const os::command& what, const os::process_options& options);

    /// -1, as it begins: inherited.
    void set_standard(int number, int fd) noexcept { standard_[static_cast<std::size_t>(number)] = fd; }

    /// Makes the child and waits until it has become its program. Blocks its thread for that; fork handlers are not called.
    /// Throws: io_error that names the step, and the program.
    started_child start();

private:
    enum class step : unsigned char { none, redirect, group, directory, program };

    /// Written by the child, in memory that it shares.
    struct report {
        step failed = step::none;
        int error = 0;
    };

    static int run_child(void* self) noexcept;
    [[noreturn]] void become_program() noexcept;
    [[noreturn]] void fail(step failed, long error) noexcept;
    bool find_descriptors() noexcept;
    void reset_signals() const noexcept;
    [[noreturn]] void throw_error(const report& told) const;

    std::vector<std::string> arguments_;
    std::vector<std::string> environment_;
    std::vector<std::string> candidates_;  ///< paths under which the program may be found
    std::vector<char*> argument_pointers_;
    std::vector<char*> environment_pointers_;
    std::vector<int> pass_descriptors_;
    std::string directory_;
    std::array<int, 3> standard_{-1, -1, -1};
    std::uint64_t signal_mask_ = 0;  ///< as the kernel has it: bit 0 is signal 1
    bool error_to_output_ = false;
    bool new_process_group_ = false;
    bool new_session_ = false;
    bool reset_signals_ = true;

    report* report_ = nullptr;  ///< during start()
};

}  // namespace tombolo::kernel
