#pragma once

#include "test/fibers/sample_errors.hpp"

#include <tombolo/fibers/exception_group.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <exception>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

// Ways to look at what a call throws.
namespace tombolo::testing {

// What `f` throws; null when it returns.
template <class F>
std::exception_ptr thrown_by(F&& f) {
    try {
        std::forward<F>(f)();
    } catch (...) {
        return std::current_exception();
    }
    return nullptr;
}

// The text of the error that `f` throws, which has to be an Error and nothing derived from it.
template <class Error, class F>
std::string text_of(F&& f) {
    const std::exception_ptr error = thrown_by(std::forward<F>(f));
    try {
        if (error) {
            std::rethrow_exception(error);
        }
    } catch (const Error& expected) {
        if (typeid(expected) == typeid(Error)) {
            return expected.what();
        }
    } catch (...) {}
    ADD_FAILURE() << "expected a " << typeid(Error).name() << " (mangled), got " << describe(error);
    return {};
}

// The texts of an error's leaves, sorted: for errors that arrive in an order that nothing promises.
inline std::vector<std::string> sorted_leaves(const std::exception_ptr& error) {
    std::vector<std::string> texts;
    if (!holds<base_exception_group>(error)) {
        return {shape(error)};
    }
    for (const std::exception_ptr& leaf : group_in(error).leaves()) {
        texts.push_back(shape(leaf));
    }
    std::ranges::sort(texts);
    return texts;
}

}  // namespace tombolo::testing
