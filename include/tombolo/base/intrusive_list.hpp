#pragma once

#include <tombolo/base/assert.hpp>

#include <cstddef>
#include <iterator>

namespace tombolo {

/// The links of an element of an intrusive_list. An element that sits in several lists has several hooks, told apart by
/// `Tag`. Unlinked when default-constructed.
///
/// Why not Boost.Intrusive: these links sit in public classes (cancel scopes, nurseries), and users of the library should
/// not need Boost's headers.
template <class Tag>
class list_hook {
public:
    list_hook() noexcept = default;
    list_hook(const list_hook&) = delete;
    list_hook& operator=(const list_hook&) = delete;
    ~list_hook() { TOMBOLO_ASSERT(next_ == nullptr, "an element is destroyed only after it left its list"); }

    bool linked() const noexcept { return next_ != nullptr; }

    void unlink() noexcept {
        previous_->next_ = next_;
        next_->previous_ = previous_;
        next_ = previous_ = nullptr;
    }

private:
    template <class, class>
    friend class intrusive_list;

    list_hook* next_ = nullptr;
    list_hook* previous_ = nullptr;
};

/// A doubly linked list of objects that derive from `list_hook<Tag>`. Owns nothing, allocates nothing; every operation
/// but iteration is O(1). Removing the element under an iterator invalidates that iterator only.
template <class T, class Tag>
class intrusive_list {
    using hook = list_hook<Tag>;

public:
    class iterator {
    public:
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using iterator_category = std::bidirectional_iterator_tag;
        using reference = T&;
        using pointer = T*;

        iterator() noexcept = default;
        explicit iterator(hook* at) noexcept : at_(at) {}
        T& operator*() const noexcept { return *element(at_); }
        T* operator->() const noexcept { return element(at_); }
        iterator& operator++() noexcept {
            at_ = at_->next_;
            return *this;
        }
        iterator operator++(int) noexcept {
            iterator before = *this;
            ++*this;
            return before;
        }
        iterator& operator--() noexcept {
            at_ = at_->previous_;
            return *this;
        }
        bool operator==(const iterator& other) const noexcept { return at_ == other.at_; }

    private:
        hook* at_ = nullptr;
    };

    intrusive_list() noexcept { clear_ends(); }
    intrusive_list(const intrusive_list&) = delete;
    intrusive_list& operator=(const intrusive_list&) = delete;
    ~intrusive_list() {
        TOMBOLO_ASSERT(empty(), "a list is destroyed only after its elements left it");
        ends_.next_ = ends_.previous_ = nullptr;
    }

    bool empty() const noexcept { return ends_.next_ == &ends_; }
    T& front() noexcept { return *element(ends_.next_); }
    T& back() noexcept { return *element(ends_.previous_); }
    iterator begin() const noexcept { return iterator{ends_.next_}; }
    iterator end() const noexcept { return iterator{const_cast<hook*>(&ends_)}; }

    void push_back(T& element) noexcept {
        hook& added = element;
        added.previous_ = ends_.previous_;
        added.next_ = &ends_;
        ends_.previous_->next_ = &added;
        ends_.previous_ = &added;
    }

    static void remove(T& element) noexcept { static_cast<hook&>(element).unlink(); }

    T& pop_front() noexcept {
        T& first = front();
        remove(first);
        return first;
    }

    /// Moves all elements of `other` behind ours.
    void append(intrusive_list& other) noexcept {
        if (other.empty()) return;
        ends_.previous_->next_ = other.ends_.next_;
        other.ends_.next_->previous_ = ends_.previous_;
        ends_.previous_ = other.ends_.previous_;
        ends_.previous_->next_ = &ends_;
        other.clear_ends();
    }

    /// Units: elements. O(n).
    std::size_t count() const noexcept {
        std::size_t n = 0;
        for (hook* at = ends_.next_; at != &ends_; at = at->next_) ++n;
        return n;
    }

private:
    static T* element(hook* at) noexcept { return static_cast<T*>(at); }
    void clear_ends() noexcept { ends_.next_ = ends_.previous_ = &ends_; }

    hook ends_;
};

}  // namespace tombolo
