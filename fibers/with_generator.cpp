#include <tombolo/fibers/with_generator.hpp>

#include <tombolo/fibers/exception_group.hpp>

#include <exception>
#include <string>
#include <vector>

namespace tombolo::kernel {

namespace {

/// The error that stands for all of them; null when there is none.
std::exception_ptr sole_error(const base_exception_group& group) {
    std::exception_ptr sole;
    std::size_t failures = 0;
    for (const std::exception_ptr& error : group.exceptions()) {
        if (holds<keyboard_interrupt>(error)) return error;
        if (is_cancelled(error)) {
            if (sole == nullptr) sole = error;
        } else {
            sole = error;
            ++failures;
        }
    }
    return failures <= 1 ? sole : nullptr;
}

std::exception_ptr bare_or_named(const base_exception_group& group, const char* mixed) {
    if (std::exception_ptr sole = sole_error(group)) return sole;
    const auto errors = group.exceptions();
    return make_exception_group(mixed, std::vector<std::exception_ptr>(errors.begin(), errors.end()));
}

}  // namespace

void with_sole_error_bare(callable_ref f, const char* mixed) {
    std::exception_ptr error;
    try {
        return f();
    } catch (const base_exception_group& group) {
        error = bare_or_named(group, mixed);
    }
    std::rethrow_exception(std::move(error));
}

}  // namespace tombolo::kernel
