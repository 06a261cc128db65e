#pragma once

#include <tombolo/fibers/errors.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <vector>

// libstdc++ tells what an exception_ptr holds without throwing it. Defining TOMBOLO_RETHROW_ONLY for the whole build
// selects the way that works with every C++ runtime, and takes far longer, so that it can be tested.
#if defined(__GLIBCXX__) && !defined(TOMBOLO_RETHROW_ONLY)
    #define TOMBOLO_READS_EXCEPTION_PTR 1
#endif

namespace tombolo {

class base_exception_group;

namespace kernel {

struct group_state;

// Finds the T inside an exception_ptr by throwing it: works with every C++ runtime, takes about a microsecond.
template <class T>
[[nodiscard]] bool holds_by_rethrow(const std::exception_ptr& error) noexcept {
    if (!error) {
        return false;
    }
    try {
        std::rethrow_exception(error);
    } catch (const T&) {
        return true;
    } catch (...) {
        return false;
    }
}

#ifdef TOMBOLO_READS_EXCEPTION_PTR
// Whether a handler for `wanted` would catch the exception, asked of libstdc++ as its own unwinder asks.
[[nodiscard]] bool handler_catches(const std::type_info& wanted, const std::exception_ptr& error) noexcept;
#endif

}  // namespace kernel

// Whether `catch (const T&)` would catch what the exception_ptr points to. False for a null pointer.
template <class T>
[[nodiscard]] bool holds(const std::exception_ptr& error) noexcept {
    static_assert(std::is_same_v<T, std::remove_cvref_t<T>>, "name the plain type: holds<my_error>");
#ifdef TOMBOLO_READS_EXCEPTION_PTR
    if constexpr (!std::is_pointer_v<T> && !std::is_member_pointer_v<T>) {  // those convert when they are caught
        return kernel::handler_catches(typeid(T), error);
    }
#endif
    return kernel::holds_by_rethrow<T>(error);
}

// holds<cancelled>, quicker still: a comparison of two addresses.
[[nodiscard]] bool is_cancelled(const std::exception_ptr& error) noexcept;

// "type: what" for std exceptions, groups, cancelled and keyboard_interrupt, followed by the error's own cause where it
// names one; "an exception of type X" for everything else. For log files and error texts.
[[nodiscard]] std::string describe(const std::exception_ptr& error);

// The two halves of a split. Null where nothing is.
struct split_result {
    std::exception_ptr match;
    std::exception_ptr rest;
};

// Several exceptions that leave a nursery together, at least one of which is not a std::exception (cancelled,
// keyboard_interrupt, a group like this one). `catch (const base_exception_group&)` catches every group;
// `catch (const exception_group&)` only those that a `catch (const std::exception&)` may handle.
//
// Immutable; copies share everything and cost one reference count. Made by make_exception_group alone, which chooses
// the right one of the two types.
//
// Source: BaseExceptionGroup, without its notes, cause and traceback.
class base_exception_group {
public:
    base_exception_group(const base_exception_group&) noexcept = default;
    base_exception_group& operator=(const base_exception_group&) noexcept = default;
    virtual ~base_exception_group();

    [[nodiscard]] const std::string& message() const noexcept;

    // In the order in which they arrived: never empty, no null pointers; some may be groups again.
    [[nodiscard]] std::span<const std::exception_ptr> exceptions() const noexcept;

    // Whether a nursery that was not strict made it: then a cancel scope that leaves a single exception in it throws
    // that exception bare.
    [[nodiscard]] bool loose() const noexcept;

    // The message and, indented below it, a line for each exception; groups as trees, long texts over several lines.
    //
    // Lifetime: the text lives as long as the last copy of this group.
    // Callable from: any thread.
    [[nodiscard]] virtual const char* what() const noexcept;

    // Divides the leaves into those that `catch (const T&)` would catch and the others. Both halves are groups with
    // this group's message and structure; a nested group that is itself a T stays whole.
    template <class T>
    [[nodiscard]] split_result split() const {
        return split([](const std::exception_ptr& error) { return holds<T>(error); });
    }

    // The same by a predicate, which is asked about this group, then about nested groups and leaves until it says yes.
    //
    // Throws: what the predicate throws.
    [[nodiscard]] split_result split(const std::function<bool(const std::exception_ptr&)>& predicate) const;

    // Whether an exception anywhere below this group, leaf or group, is a T.
    template <class T>
    [[nodiscard]] bool contains() const {
        return contains([](const std::exception_ptr& error) { return holds<T>(error); });
    }
    [[nodiscard]] bool contains(const std::function<bool(const std::exception_ptr&)>& predicate) const;

    // The exceptions that are not groups, from all depths, in order.
    [[nodiscard]] std::vector<std::exception_ptr> leaves() const;

    // A group of other exceptions with this one's message and looseness.
    //
    // Throws: std::invalid_argument when there are none, or a null pointer among them.
    [[nodiscard]] std::exception_ptr derive(std::vector<std::exception_ptr> exceptions) const;

private:
    friend class exception_group;
    friend struct kernel::group_state;

    explicit base_exception_group(std::shared_ptr<const kernel::group_state> state) noexcept;

    std::shared_ptr<const kernel::group_state> state_;  // never null
};

// Several std exceptions that leave a nursery together.
//
// Source: ExceptionGroup.
class exception_group final : public base_exception_group, public std::exception {
public:
    exception_group(const exception_group&) noexcept = default;
    exception_group& operator=(const exception_group&) noexcept = default;
    ~exception_group() override;

    [[nodiscard]] const char* what() const noexcept override;

private:
    friend struct kernel::group_state;

    explicit exception_group(std::shared_ptr<const kernel::group_state> state) noexcept;
};

// The only way to make a group: an exception_group when every exception is a std::exception (a nested exception_group
// is one), a base_exception_group otherwise. Throw it with std::rethrow_exception.
//
// Throws: std::invalid_argument when there are no exceptions, or a null pointer among them.
[[nodiscard]] std::exception_ptr make_exception_group(
    std::string message, std::vector<std::exception_ptr> exceptions, bool loose = false);

// What strip_cancelled leaves, null when that is nothing, and how many leaves it took away.
struct strip_result {
    std::exception_ptr rest;
    std::size_t removed = 0;
};

// Takes every cancelled out of an error, at all depths. Branches that become empty go; what remains keeps its messages
// and structure, except that, once anything was removed, loose groups of a single exception are replaced by it. When
// there is nothing to remove, `rest` is the very pointer given, found out without looking at the leaves.
[[nodiscard]] strip_result strip_cancelled(std::exception_ptr error);

}  // namespace tombolo
