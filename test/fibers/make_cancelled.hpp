#pragma once

#include "fibers/core/cancelled_access.hpp"

#include <tombolo/fibers/errors.hpp>

#include <exception>
#include <memory>
#include <string>
#include <utility>

// Tests of errors need a cancelled without a run, and only the kernel can make one.
namespace tombolo::testing {

inline std::exception_ptr make_cancelled(cancel_reason reason) {
    try {
        kernel::cancelled_access::raise(std::make_shared<const cancel_reason>(std::move(reason)));
    } catch (...) {
        return std::current_exception();
    }
}

inline std::exception_ptr make_cancelled(std::string reason = "enough") {
    return make_cancelled(cancel_reason{cancel_source::explicit_call, std::move(reason), "main"});
}

}  // namespace tombolo::testing
