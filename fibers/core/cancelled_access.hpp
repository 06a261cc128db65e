#pragma once

#include <tombolo/fibers/errors.hpp>

#include <memory>
#include <utility>

namespace tombolo::kernel {

// The only creator of `cancelled`.
struct cancelled_access {
    [[noreturn]] static void raise(std::shared_ptr<const cancel_reason> reason) { throw cancelled(std::move(reason)); }
};

}  // namespace tombolo::kernel
