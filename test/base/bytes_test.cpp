#include <tombolo/base/bytes.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tombolo {
namespace {

std::string_view text_of(const_bytes bytes) { return bytes.text(); }

TEST(const_bytes, of_a_literal_are_its_text_with_the_zeros_in_it) {
    EXPECT_EQ(text_of("text"), "text");
    EXPECT_EQ(text_of(""), "");
    EXPECT_EQ(text_of("\0\5hello"), std::string_view("\0\5hello", 7));
    static const char no_zero[4] = {'a', 'b', 'c', 'd'};
    EXPECT_EQ(text_of(no_zero), "abcd");
}

TEST(const_bytes, of_a_pointer_end_with_the_first_zero) {
    const char* const text = "text\0more";
    EXPECT_EQ(text_of(text), "text");
    std::string writable = "other";
    char* const pointer = writable.data();
    EXPECT_EQ(text_of(pointer), "other");
}

TEST(const_bytes, of_a_range_are_all_of_it) {
    const std::string string("a\0b", 3);
    EXPECT_EQ(text_of(string), string);
    char array[4] = {'a', 0, 0, 0};
    EXPECT_EQ(text_of(array).size(), 4u);
    EXPECT_EQ(text_of(std::vector<unsigned char>{1, 2, 3}).size(), 3u);
    EXPECT_EQ(text_of(std::array<std::byte, 5>{}).size(), 5u);
    EXPECT_EQ(text_of(std::string_view("view")), "view");
    EXPECT_EQ(const_bytes("abcdef").from(2).up_to(3).text(), "cde");
    EXPECT_EQ(const_bytes("abc").up_to(9).text(), "abc");
}

TEST(mutable_bytes, write_into_what_they_are_made_from) {
    std::string string = "...";
    mutable_bytes(string).from(1).up_to(1)[0] = std::byte{'x'};
    EXPECT_EQ(string, ".x.");
}

}  // namespace
}  // namespace tombolo
