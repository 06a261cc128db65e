#include <tombolo/fibers/held_locks.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include <cxxabi.h>
#include <dlfcn.h>

namespace tombolo {

namespace {

const char* name_of(held_lock_report::lock_kind kind) noexcept {
    switch (kind) {
    case held_lock_report::lock_kind::mutex:
        return "mutex";
    case held_lock_report::lock_kind::read_lock:
        return "reader lock";
    case held_lock_report::lock_kind::write_lock:
        return "writer lock";
    case held_lock_report::lock_kind::spin_lock:
        return "spin lock";
    }
    return "lock";
}

std::string hexadecimal(const void* address) {
    char text[24];
    std::snprintf(text, sizeof text, "%p", address);
    return text;
}

std::string demangled(const char* symbol) {
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> name(
        abi::__cxa_demangle(symbol, nullptr, nullptr, &status), &std::free);
    return name != nullptr ? name.get() : symbol;
}

/// A return address as the call before it: the function, if it is a dynamic symbol, and what addr2line takes.
std::string place_of(void* return_address) {
    const char* call = static_cast<const char*>(return_address) - 1;
    Dl_info found{};
    if (::dladdr(call, &found) == 0 || found.dli_fname == nullptr) return hexadecimal(call);
    const char* base = std::strrchr(found.dli_fname, '/');
    char offset[24];
    std::snprintf(
        offset, sizeof offset, "+0x%zx", static_cast<std::size_t>(call - static_cast<const char*>(found.dli_fbase)));
    const std::string module = std::string(base != nullptr ? base + 1 : found.dli_fname) + offset;
    return found.dli_sname != nullptr ? demangled(found.dli_sname) + " (" + module + ")" : module;
}

}  // namespace

std::string held_lock_report::to_string() const {
    std::string text = "tombolo: task \"" + task + "\" #" + std::to_string(task_id) + " holds a " + name_of(kind) +
        " of the thread (" + hexadecimal(lock) + ") ";
    if (task_ended)
        text += "and has ended";
    else if (waits_in.empty())
        text += "while it lets other tasks run";
    else
        text += "while it waits in " + waits_in;
    text += "; another task that wants it would block this thread for ever. It was locked at";
    for (void* address : locked_at) text += "\n    " + place_of(address);
    return text;
}

}  // namespace tombolo
