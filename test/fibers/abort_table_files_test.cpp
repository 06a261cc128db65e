#include "test/fibers/abort_table.hpp"
#include "test/os/temporary_directory.hpp"

#include <tombolo/fibers/os/file.hpp>
#include <tombolo/fibers/os/filesystem.hpp>
#include <tombolo/fibers/os/whole_file.hpp>

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

// The rows of files. A call that has begun is not interrupted: it has happened or not, and its result says which.

namespace tombolo::testing {
namespace {

using os::file;

const operation_rows files{
    {"open_file", true,
     [](attempt& make) {
         const temporary_directory folder;
         file f;
         const bool opened = make([&] { f = os::open_file(folder / "a", {.write = true, .create = true}); });
         EXPECT_EQ(f.is_open(), opened);
         EXPECT_EQ(os::exists(folder / "a"), opened);
     }},
    {"file_read_some", true,
     [](attempt& make) {
         const temporary_directory folder;
         os::write_file(folder / "a", "12345678");
         file f = os::open_file(folder / "a");
         std::string got(4, '\0');
         const bool read = make([&] { EXPECT_EQ(f.read_some(got), 4U); });
         EXPECT_EQ(f.read_all(), read ? "5678" : "12345678");
     }},
    {"file_read_line", true,
     [](attempt& make) {
         const temporary_directory folder;
         os::write_file(folder / "a", "one\ntwo\nthree");
         file f = os::open_file(folder / "a");
         EXPECT_EQ(f.read_line(), "one");
         const bool read = make([&] { EXPECT_EQ(f.read_line(), "two"); });
         EXPECT_EQ(f.read_line(), read ? "three" : "two");
     }},
    {"file_write_all", true,
     [](attempt& make) {
         const temporary_directory folder;
         file f = os::open_file(folder / "a", {.write = true, .create = true});
         const bool written = make([&] { f.write_all("x"); });
         EXPECT_EQ(os::read_file(folder / "a"), written ? "x" : "");
     }},
    {"file_aclose", true,
     [](attempt& make) {
         file f = os::open_file("/dev/null");
         make([&] { f.aclose(); });
         EXPECT_FALSE(f.is_open());
     }},
    {"write_file", true,
     [](attempt& make) {
         const temporary_directory folder;
         const bool written = make([&] { os::write_file(folder / "a", "x", {.atomic = true}); });
         EXPECT_EQ(
             os::list_directory(folder.path()), written ? std::vector<std::string>{"a"} : std::vector<std::string>{});
     }},
};

}  // namespace
}  // namespace tombolo::testing
