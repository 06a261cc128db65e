#include <tombolo/base/unique_function.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace {

using tombolo::unique_function;

static_assert(!std::is_copy_constructible_v<unique_function<void()>>);
static_assert(std::is_nothrow_move_constructible_v<unique_function<void()>>);
static_assert(std::is_nothrow_move_assignable_v<unique_function<void()>>);
static_assert(!std::is_constructible_v<unique_function<void()>, void (*)(int)>);
static_assert(!std::is_constructible_v<unique_function<int()>, std::string (*)()>);
static_assert(sizeof(unique_function<void()>) == 8 * sizeof(void*));

int twice(int number) { return 2 * number; }

// Counts its living objects, so that a callable destroyed twice or never shows.
template <std::size_t Size, bool NothrowMove>
struct counted_callable {
    explicit counted_callable(int& counter) : alive(&counter) { ++counter; }
    counted_callable(counted_callable&& other) noexcept(NothrowMove) : alive(other.alive) { ++*alive; }
    ~counted_callable() { --*alive; }
    int operator()() const { return *alive; }
    int* alive;
    std::array<std::byte, Size> padding{};
};

using small_callable = counted_callable<8, true>;
using large_callable = counted_callable<100, true>;
using throwing_callable = counted_callable<8, false>;

template <class Callable>
class unique_function_holding : public testing::Test {};
using callables = testing::Types<small_callable, large_callable, throwing_callable>;
TYPED_TEST_SUITE(unique_function_holding, callables);

TYPED_TEST(unique_function_holding, keeps_exactly_one_callable_alive_through_moves) {
    int alive = 0;
    {
        unique_function<int()> first = TypeParam(alive);
        EXPECT_EQ(first(), 1);
        unique_function<int()> second = std::move(first);
        EXPECT_FALSE(first);
        EXPECT_TRUE(second);
        EXPECT_EQ(second(), 1);
        first = std::move(second);
        EXPECT_EQ(first(), 1);
        unique_function<int()>& alias = first;
        first = std::move(alias);
        EXPECT_EQ(first(), 1);
    }
    EXPECT_EQ(alive, 0);
}

TYPED_TEST(unique_function_holding, destroys_the_old_callable_when_it_gets_another) {
    int alive = 0;
    int alive_too = 0;
    unique_function<int()> function = TypeParam(alive);
    function = TypeParam(alive_too);
    EXPECT_EQ(alive, 0);
    EXPECT_EQ(alive_too, 1);
    function = nullptr;
    EXPECT_EQ(alive_too, 0);
    EXPECT_FALSE(function);
}

TEST(unique_function, is_empty_by_default) {
    unique_function<void()> function;
    EXPECT_FALSE(function);
    EXPECT_THROW(function(), std::bad_function_call);
    unique_function<int(std::string, int&)> with_arguments = nullptr;
    int number = 0;
    EXPECT_THROW(with_arguments("x", number), std::bad_function_call);
}

TEST(unique_function, is_empty_once_moved_from) {
    unique_function<int(int)> function = twice;
    const unique_function<int(int)> taken = std::move(function);
    EXPECT_THROW(function(1), std::bad_function_call);
}

TEST(unique_function, is_empty_when_made_from_something_empty) {
    int (*no_function)(int) = nullptr;
    std::size_t (std::string::*no_member)() const = nullptr;
    EXPECT_FALSE(unique_function<int(int)>(no_function));
    EXPECT_FALSE(unique_function<std::size_t(const std::string&)>(no_member));
    EXPECT_FALSE(unique_function<long(int)>(unique_function<int(int)>()));
}

TEST(unique_function, calls_functions_members_and_function_objects) {
    unique_function<int(int)> function = twice;
    EXPECT_EQ(function(21), 42);
    function = &twice;
    EXPECT_EQ(function(4), 8);
    unique_function<std::size_t(const std::string&)> member = &std::string::size;
    EXPECT_EQ(member("abc"), 3U);
    unique_function<int(int, int)> object = std::plus<>();
    EXPECT_EQ(object(1, 2), 3);
    unique_function<long(int)> converted = std::move(function);
    EXPECT_EQ(converted(5), 10);
}

TEST(unique_function, holds_move_only_captures) {
    unique_function<int()> function = [number = std::make_unique<int>(5)] { return *number; };
    unique_function<int()> moved = std::move(function);
    EXPECT_EQ(moved(), 5);
}

TEST(unique_function, calls_a_callable_that_changes) {
    unique_function<int()> counter = [count = 0]() mutable { return ++count; };
    EXPECT_EQ(counter(), 1);
    unique_function<int()> moved = std::move(counter);
    EXPECT_EQ(moved(), 2);
}

TEST(unique_function, passes_arguments_without_a_needless_copy) {
    unique_function<std::unique_ptr<int>(std::unique_ptr<int>)> pass_on = [](std::unique_ptr<int> pointer) {
        return pointer;
    };
    EXPECT_EQ(*pass_on(std::make_unique<int>(9)), 9);
    int number = 1;
    unique_function<void(int&)> increment = [](int& target) { ++target; };
    increment(number);
    EXPECT_EQ(number, 2);
    unique_function<int&(int&)> same = [](int& target) -> int& { return target; };
    EXPECT_EQ(&same(number), &number);
}

TEST(unique_function, drops_the_result_when_it_returns_void) {
    int calls = 0;
    unique_function<void()> function = [&] { return ++calls; };
    function();
    EXPECT_EQ(calls, 1);
}

TEST(unique_function, lets_exceptions_of_the_callable_through) {
    unique_function<void()> function = [] { throw std::string("from inside"); };
    EXPECT_THROW(function(), std::string);
    EXPECT_TRUE(function);
}

TEST(unique_function, holds_six_words_of_captures_in_place) {
    const auto is_inside = [](unique_function<const void*()>& function) {
        const auto begin = reinterpret_cast<std::uintptr_t>(&function);
        const auto callable = reinterpret_cast<std::uintptr_t>(function());
        return callable >= begin && callable < begin + sizeof function;
    };
    std::array<void*, 6> six{};
    unique_function<const void*()> fits = [six]() -> const void* { return &six; };
    EXPECT_TRUE(is_inside(fits));
    std::array<void*, 7> seven{};
    unique_function<const void*()> is_too_large = [seven]() -> const void* { return &seven; };
    EXPECT_FALSE(is_inside(is_too_large));
}

TEST(unique_function, keeps_the_alignment_of_an_over_aligned_callable) {
    struct alignas(64) aligned {
        std::uintptr_t operator()() const { return reinterpret_cast<std::uintptr_t>(this) % 64; }
    };
    unique_function<std::uintptr_t()> function = aligned();
    EXPECT_EQ(function(), 0U);
    unique_function<std::uintptr_t()> moved = std::move(function);
    EXPECT_EQ(moved(), 0U);
}

TEST(unique_function, leaves_nothing_behind_when_copying_the_callable_throws) {
    struct refuses_to_be_copied {
        refuses_to_be_copied() = default;
        refuses_to_be_copied(const refuses_to_be_copied&) { throw std::string("no copies"); }
        void operator()() const {}
    };
    const refuses_to_be_copied callable;
    EXPECT_THROW(unique_function<void()>{callable}, std::string);
}

TEST(unique_function, is_empty_already_while_it_destroys_its_callable) {
    struct looks_back {
        looks_back(unique_function<void()>*& its_owner, bool& result) : owner(&its_owner), owner_was_empty(&result) {}
        looks_back(looks_back&& other) noexcept
            : owner(std::exchange(other.owner, nullptr)), owner_was_empty(other.owner_was_empty) {}
        ~looks_back() {
            if (owner != nullptr && *owner != nullptr) {
                *owner_was_empty = !**owner;
            }
        }
        void operator()() const {}
        unique_function<void()>** owner;
        bool* owner_was_empty;
    };
    unique_function<void()>* owner = nullptr;
    bool owner_was_empty = false;
    unique_function<void()> function = looks_back(owner, owner_was_empty);
    owner = &function;
    function = nullptr;
    EXPECT_TRUE(owner_was_empty);
}

}  // namespace
