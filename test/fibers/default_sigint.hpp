#pragma once

#include <csignal>

namespace tombolo::testing {

// Gives SIGINT its default action, as a shell in the foreground does, for as long as it lives: a run takes Ctrl-C only
// then. (Test programs that a script starts in the background inherit an ignored SIGINT.)
class default_sigint {
public:
    default_sigint() noexcept : before_(std::signal(SIGINT, SIG_DFL)) {}
    default_sigint(const default_sigint&) = delete;
    default_sigint& operator=(const default_sigint&) = delete;
    ~default_sigint() { std::signal(SIGINT, before_); }

private:
    void (*before_)(int);
};

}  // namespace tombolo::testing
