#pragma once

#include "test/fibers/make_cancelled.hpp"

#include <tombolo/fibers/exception_group.hpp>

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// Errors and groups to test with, and ways to look at them.
namespace tombolo::testing {

using pointers = std::vector<std::exception_ptr>;

template <class Error = std::runtime_error>
std::exception_ptr make_error(const std::string& text) {
    return std::make_exception_ptr(Error(text));
}

inline std::exception_ptr make_group(std::string message, pointers exceptions, bool loose = false) {
    return make_exception_group(std::move(message), std::move(exceptions), loose);
}

// The group inside, to look at; it lives as long as the pointer given.
inline const base_exception_group& group_in(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const base_exception_group& group) {
        return group;
    }
}

// A group and everything in it in one line, so that structures can be compared: name[leaf, other[leaf]], with a *
// behind a loose group's name.
inline std::string shape(const std::exception_ptr& error) {
    if (!error) {
        return "nothing";
    }
    try {
        std::rethrow_exception(error);
    } catch (const base_exception_group& group) {
        std::string text = group.message() + (group.loose() ? "*[" : "[");
        for (const std::exception_ptr& child : group.exceptions()) {
            text += shape(child) + (&child == &group.exceptions().back() ? "" : ", ");
        }
        return text + "]";
    } catch (const cancelled&) {
        return "cancelled";
    } catch (const std::exception& standard) {
        return standard.what();
    } catch (...) {
        return "something";
    }
}

template <class Caught>
bool is_caught_as(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (Caught&) {
        return true;
    } catch (...) {
        return false;
    }
}

}  // namespace tombolo::testing
