#include "fibers/os/child_start.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string_view>

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// The child runs on this thread's thread-local data and the parent's heap: sanitizers have no business there.
#define TOMBOLO_IN_CHILD __attribute__((no_sanitize("address", "thread", "undefined")))

#if defined(__SANITIZE_THREAD__)
    #define TOMBOLO_IN_CHILD_UNDER_TSAN 1
#elif defined(__has_feature)
    #if __has_feature(thread_sanitizer)
        #define TOMBOLO_IN_CHILD_UNDER_TSAN 1
    #endif
#endif

namespace tombolo::kernel {

namespace {

constexpr int first_free = 3;  // behind the standard streams
constexpr std::uint64_t all_signals = ~std::uint64_t{0};
constexpr std::size_t mask_size = sizeof(std::uint64_t);
constexpr int highest_signal = 64;

/// The parent's thread waits until the child has left its memory, and is told a descriptor of the child.
constexpr int clone_as_vfork = CLONE_VFORK | CLONE_PIDFD | SIGCHLD;
#if defined(TOMBOLO_IN_CHILD_UNDER_TSAN)
// It takes every clone() for a fork, and writes down in the child's memory that this process may have no threads any more.
constexpr int clone_flags = clone_as_vfork;
#else
constexpr int clone_flags = clone_as_vfork | CLONE_VM;
#endif

/// The kernel's sigaction; what follows the handler is of no interest here but for its size.
struct kernel_action {
    void* handler = nullptr;
    std::uint64_t others[4] = {};
};

TOMBOLO_IN_CHILD long set_mask(std::uint64_t mask, std::uint64_t* before = nullptr) noexcept {
    return ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, before, mask_size);
}

/// Also the two signals that the C library keeps to itself.
class all_signals_blocked {
public:
    all_signals_blocked() noexcept { set_mask(all_signals, &before_); }
    all_signals_blocked(const all_signals_blocked&) = delete;
    all_signals_blocked& operator=(const all_signals_blocked&) = delete;
    ~all_signals_blocked() { set_mask(before_); }

private:
    std::uint64_t before_ = 0;
};

/// The child's stack, with its report at the other end. Shared with a child that has its memory to itself too.
class shared_memory {
public:
    shared_memory() {
        memory_ = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory_ == MAP_FAILED) throw io_error(errno, "open_process: memory for a new process");
    }
    shared_memory(const shared_memory&) = delete;
    shared_memory& operator=(const shared_memory&) = delete;
    ~shared_memory() { ::munmap(memory_, size); }

    void* begin() const noexcept { return memory_; }
    void* end() const noexcept { return static_cast<std::byte*>(memory_) + size; }

private:
    static constexpr std::size_t size = 64 * 1024;
    void* memory_;
};

std::uint64_t current_mask() noexcept {
    std::uint64_t mask = 0;
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, nullptr, &mask, mask_size);
    return mask;
}

std::string value_in(const std::vector<std::string>& environment, std::string_view name) {
    for (const std::string& each : environment)
        if (each.size() > name.size() && each[name.size()] == '=' && each.starts_with(name))
            return each.substr(name.size() + 1);
    return {};
}

std::vector<std::string> places_of(const std::string& program, const std::vector<std::string>& environment) {
    if (program.find('/') != std::string::npos) return {program};
    std::string path = value_in(environment, "PATH");
    if (path.empty()) path = "/bin:/usr/bin";
    std::vector<std::string> places;
    for (std::size_t begin = 0; begin <= path.size();) {
        const std::size_t end = std::min(path.find(':', begin), path.size());
        const std::string folder = path.substr(begin, end - begin);
        places.push_back(folder.empty() ? program : folder + '/' + program);
        begin = end + 1;
    }
    return places;
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
    std::vector<char*> pointers;
    pointers.reserve(strings.size() + 1);
    for (std::string& each : strings) pointers.push_back(each.data());
    pointers.push_back(nullptr);
    return pointers;
}

void require_open(int fd, const char* what) {
    if (::fcntl(fd, F_GETFD) < 0)
        throw invalid_descriptor(
            "open_process: descriptor " + std::to_string(fd) + " " + what + " is not open; give an open one");
}

void require_sound(const os::process_options& options) {
    if (options.new_process_group && options.new_session)
        throw usage_error(
            "open_process: new_process_group and new_session do not go together; a session has a group of its own");
    if (options.standard_input == os::redirect::to_stdout || options.standard_output == os::redirect::to_stdout)
        throw usage_error("open_process: only standard_error can be redirected to_stdout");
    for (const os::redirect& each : {options.standard_input, options.standard_output, options.standard_error})
        if (each.is_descriptor()) require_open(each.fd(), "for a standard stream");
    for (const int fd : options.pass_descriptors) {
        if (fd < first_free)
            throw invalid_descriptor(
                "open_process: pass_descriptors has " + std::to_string(fd) +
                "; the standard streams 0, 1 and 2 have options of their own, and others are above them");
        require_open(fd, "in pass_descriptors");
    }
    if (options.environment)
        for (const auto& [name, value] : *options.environment)
            if (name.empty() || name.find_first_of(std::string_view("=\0", 2)) != std::string::npos ||
                value.find('\0') != std::string::npos)
                throw usage_error(
                    "open_process: the environment has the variable \"" + name +
                    "\"; a name is not empty and has no '=', and nothing has a zero byte");
    if (options.directory.native().find('\0') != std::string::npos)
        throw usage_error("open_process: the directory has a zero byte in its name");
}

}  // namespace

child_start::child_start(const os::command& what, const os::process_options& options)
    : arguments_(what.arguments()),
      pass_descriptors_(options.pass_descriptors),
      directory_(options.directory.native()),
      error_to_output_(options.standard_error == os::redirect::to_stdout),
      new_process_group_(options.new_process_group),
      new_session_(options.new_session),
      reset_signals_(options.reset_signals) {
    require_sound(options);
    if (options.environment) {
        for (const auto& [name, value] : *options.environment) environment_.push_back(name + '=' + value);
    } else {
        for (char** each = environ; each != nullptr && *each != nullptr; ++each) environment_.emplace_back(*each);
    }
    candidates_ = places_of(what.program(), environment_);
    argument_pointers_ = pointers_to(arguments_);
    environment_pointers_ = pointers_to(environment_);
    if (!reset_signals_) signal_mask_ = current_mask();
}

started_child child_start::start() {
    const shared_memory memory;
    report_ = ::new (memory.begin()) report;
    const scope_exit forget([this] { report_ = nullptr; });
    int pidfd = -1;
    int pid = -1;
    int error = 0;
    {
        // A handler of the parent must not run in the child, whose memory is the parent's.
        const all_signals_blocked blocked;
        pid = ::clone(run_child, memory.end(), clone_flags, this, &pidfd);
        error = errno;
    }
    if (pid < 0) throw io_error(error, "open_process: no new process for \"" + arguments_.front() + '"');
    started_child child{pid, unique_fd(pidfd)};
    if (report_->failed != step::none) {
        siginfo_t end;
        while (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd), &end, WEXITED) != 0 &&
               errno == EINTR) {}
        throw_error(*report_);
    }
    return child;
}

void child_start::throw_error(const report& told) const {
    const std::string program = '"' + arguments_.front() + '"';
    switch (told.failed) {
    case step::redirect:
        throw io_error(told.error, "open_process: the descriptors for " + program);
    case step::group:
        throw io_error(told.error, "open_process: a process group or session for " + program);
    case step::directory:
        throw io_error(told.error, "open_process: the directory \"" + directory_ + "\" for " + program);
    case step::program:
    case step::none:
        break;
    }
    throw io_error(told.error, "open_process: cannot run " + program);
}

// ---- what the child does: system calls, and no others than those

TOMBOLO_IN_CHILD int child_start::run_child(void* self) noexcept { static_cast<child_start*>(self)->become_program(); }

TOMBOLO_IN_CHILD void child_start::fail(step failed, long error) noexcept {
    *report_ = {failed, static_cast<int>(error)};
    for (;;) ::syscall(SYS_exit_group, 127);
}

TOMBOLO_IN_CHILD void child_start::reset_signals() const noexcept {
    for (int signal = 1; signal <= highest_signal; ++signal) {
        kernel_action action;
        if (::syscall(SYS_rt_sigaction, signal, nullptr, &action, mask_size) != 0) continue;
        if (action.handler == reinterpret_cast<void*>(SIG_DFL)) continue;
        const bool ignored = action.handler == reinterpret_cast<void*>(SIG_IGN);
        const bool told_to = signal == SIGHUP || signal == SIGINT || signal == SIGQUIT;
        if (ignored && (told_to || !reset_signals_)) continue;
        const kernel_action as_by_default;
        ::syscall(SYS_rt_sigaction, signal, &as_by_default, nullptr, mask_size);
    }
}

TOMBOLO_IN_CHILD bool child_start::find_descriptors() noexcept {
    // First out of each other's way.
    for (int& from : standard_) {
        if (from < 0 || from >= first_free) continue;
        from = static_cast<int>(::syscall(SYS_fcntl, from, F_DUPFD_CLOEXEC, first_free));
        if (from < 0) return false;
    }
    for (int number = 0; number < first_free; ++number) {
        int from = standard_[static_cast<std::size_t>(number)];
        if (number == STDERR_FILENO && error_to_output_) from = STDOUT_FILENO;
        if (from >= 0 && ::syscall(SYS_dup3, from, number, 0) < 0) return false;
    }
    // The child has a table of its own: the parent's marks stay as they are.
    ::syscall(SYS_close_range, first_free, ~0U, CLOSE_RANGE_CLOEXEC);
    for (const int fd : pass_descriptors_)
        if (::syscall(SYS_fcntl, fd, F_SETFD, 0) < 0) return false;
    return true;
}

TOMBOLO_IN_CHILD void child_start::become_program() noexcept {
    reset_signals();
    if (!find_descriptors()) fail(step::redirect, errno);
    if (new_session_ && ::syscall(SYS_setsid) < 0) fail(step::group, errno);
    if (new_process_group_ && ::syscall(SYS_setpgid, 0, 0) < 0) fail(step::group, errno);
    if (!directory_.empty() && ::syscall(SYS_chdir, directory_.c_str()) < 0) fail(step::directory, errno);
    set_mask(signal_mask_);
    long error = ENOENT;
    for (const std::string& path : candidates_) {
        ::syscall(SYS_execve, path.c_str(), argument_pointers_.data(), environment_pointers_.data());
        // As the shell does: go on along PATH, but remember that something was there.
        if (errno == EACCES) error = EACCES;
        if (errno != EACCES && errno != ENOENT && errno != ENOTDIR) fail(step::program, errno);
    }
    fail(step::program, error);
}

}  // namespace tombolo::kernel
