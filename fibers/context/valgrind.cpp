#include "fibers/context/valgrind.hpp"

#if defined(TOMBOLO_VALGRIND)
    #include <valgrind/valgrind.h>
#endif

namespace tombolo::kernel {

#if defined(TOMBOLO_VALGRIND)

namespace {

bool under_valgrind() noexcept {
    static const bool yes = RUNNING_ON_VALGRIND != 0;
    return yes;
}

}  // namespace

void valgrind_stacks::add(const std::byte* low, const std::byte* high) {
    if (under_valgrind()) ids_.push_back(VALGRIND_STACK_REGISTER(low, high));
}

void valgrind_stacks::remove_all() noexcept {
    for (const unsigned id : ids_) VALGRIND_STACK_DEREGISTER(id);
    ids_.clear();
}

valgrind_silence::valgrind_silence() noexcept {
    if (under_valgrind()) VALGRIND_DISABLE_ERROR_REPORTING;
}

valgrind_silence::~valgrind_silence() {
    if (under_valgrind()) VALGRIND_ENABLE_ERROR_REPORTING;
}

#else

void valgrind_stacks::add(const std::byte*, const std::byte*) {}
void valgrind_stacks::remove_all() noexcept {}
valgrind_silence::valgrind_silence() noexcept = default;
valgrind_silence::~valgrind_silence() = default;

#endif

}  // namespace tombolo::kernel
