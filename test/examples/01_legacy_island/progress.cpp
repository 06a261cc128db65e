#include "progress.hpp"

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include <unistd.h>

namespace legacy_island {

namespace {

bool stderr_is_terminal() {
    const char* term = std::getenv("TERM");
    return isatty(STDERR_FILENO) != 0 && term != nullptr && std::string_view(term) != "dumb";
}

}  // namespace

progress::progress(std::string name, std::size_t total)
    : name_(std::move(name)), total_(total), on_terminal_(stderr_is_terminal()) {
    if (on_terminal_) show();
}

void progress::step(const verdict& one) {
    ++done_;
    failed_ += one.fetched() ? 0 : 1;
    const auto now = clock::now();
    const std::chrono::milliseconds between{on_terminal_ ? 40 : 1000};
    if (now - shown_ >= between) {
        shown_ = now;
        show();
    }
}

void progress::finish() {
    show();
    if (on_terminal_) std::fputc('\n', stderr);
}

void progress::show() const {
    const double seconds = std::chrono::duration<double>(clock::now() - begun_).count();
    if (on_terminal_) {
        constexpr std::size_t width = 24;
        const std::size_t filled = total_ == 0 ? width : done_ * width / total_;
        const std::string bar = std::string(filled, '#') + std::string(width - filled, '.');
        std::fprintf(
            stderr, "\r\x1b[K%-6s  [%s]  %zu of %zu  %.1f s", name_.c_str(), bar.c_str(), done_, total_, seconds);
    } else {
        std::fprintf(stderr, "%-6s  %zu of %zu  %.1f s", name_.c_str(), done_, total_, seconds);
    }
    if (failed_ != 0) std::fprintf(stderr, "  %zu failed", failed_);
    if (!on_terminal_) std::fputc('\n', stderr);
    std::fflush(stderr);
}

}  // namespace legacy_island
