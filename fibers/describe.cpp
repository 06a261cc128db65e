#include "fibers/group_state.hpp"
#include "fibers/type_name.hpp"

#include <tombolo/fibers/exception_group.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include <cxxabi.h>

namespace tombolo {

namespace kernel {

namespace {

std::string demangled(const std::type_info* type) { return type != nullptr ? type_name(*type) : "an unknown type"; }

template <class Error>
std::string type_and_text(const Error& error) {
    std::string text = demangled(&typeid(error));
    const char* what = error.what();
    return what == nullptr || *what == '\0' ? text : text + ": " + what;
}

// One exception in words, without its cause; if it has one, `cause` and `relation` are set.
std::string describe_alone(const std::exception_ptr& error, std::exception_ptr& cause, std::string_view& relation) {
    try {
        std::rethrow_exception(error);
    } catch (const base_exception_group& group) {
        return type_and_text(group);
    } catch (const cancelled& cancel) {
        return type_and_text(cancel);
    } catch (const keyboard_interrupt& interrupt) {
        cause = interrupt.context();
        relation = "\nin place of: ";
        return type_and_text(interrupt);
    } catch (const internal_error& failure) {
        cause = failure.cause();
        relation = "\ncaused by: ";
        return type_and_text(failure);
    } catch (const std::exception& standard) {
        return type_and_text(standard);
    } catch (...) {
        return "an exception of type " + demangled(abi::__cxa_current_exception_type());
    }
}

void append_indented(std::string& tree, std::size_t indent, std::string_view lines) {
    for (bool first = true;; first = false) {
        const std::size_t end = lines.find('\n');
        tree.append(1, '\n').append(first ? indent : indent + 2, ' ').append(lines.substr(0, end));
        if (end == std::string_view::npos) {
            return;
        }
        lines.remove_prefix(end + 1);
    }
}

std::string headline(const group_state& group) {
    const std::size_t count = group.exceptions.size();
    return group.message + " (" + std::to_string(count) + (count == 1 ? " exception)" : " exceptions)");
}

// Indentation makes the text of a tower of groups grow with the square of its height; nobody reads that far.
constexpr std::size_t deepest_shown = 40;

}  // namespace

std::string draw_tree(const group_state& root) {
    struct level {
        const group_state* group;
        std::size_t next;
    };
    std::string tree = headline(root);
    std::vector<level> open{{&root, 0}};
    while (!open.empty()) {
        level& here = open.back();
        if (here.next == here.group->exceptions.size()) {
            open.pop_back();
            continue;
        }
        const std::exception_ptr& error = here.group->exceptions[here.next++];
        const std::size_t indent = 2 * open.size();
        const base_exception_group* group = as_group(error);
        if (group == nullptr) {
            append_indented(tree, indent, describe(error));
            continue;
        }
        const group_state& nested = group_state::of(*group);
        append_indented(tree, indent, demangled(&typeid(*group)) + ": " + headline(nested));
        if (open.size() < deepest_shown) {
            open.push_back({&nested, 0});
        } else {
            append_indented(tree, indent + 2, "... " + std::to_string(nested.leaf_count) + " more, nested deeper");
        }
    }
    return tree;
}

}  // namespace kernel

std::string describe(const std::exception_ptr& error) {
    if (!error) {
        return "no exception";
    }
    std::string text;
    std::string_view relation;
    std::exception_ptr next = error;
    for (int length = 0; next != nullptr && length < 16; ++length) {  // a chain of causes may be a ring
        const std::string_view joint = relation;
        const std::exception_ptr current = std::exchange(next, nullptr);
        const std::string line = kernel::describe_alone(current, next, relation);
        text.append(joint).append(line);
    }
    return text;
}

}  // namespace tombolo
