#include <tombolo/fibers/os/file.hpp>

#include "test/fibers/thrown.hpp"
#include "test/os/children.hpp"
#include "test/os/temporary_directory.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/os/fd_stream.hpp>
#include <tombolo/fibers/os/filesystem.hpp>
#include <tombolo/fibers/os/whole_file.hpp>
#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tombolo::os {
namespace {

using ::testing::AllOf;
using testing::assert_checkpoints;
using testing::assert_no_checkpoints;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::open_descriptors;
using testing::temporary_directory;
using testing::text_of;
using testing::wait_all_tasks_blocked;

/// A file object on a pipe: a call in it waits for as long as the test wants. The descriptors stay blocking.
struct slow_file {
    slow_file() {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        slow = file(unique_fd(ends[0]));
        other_end.reset(ends[1]);
    }
    file slow;
    unique_fd other_end;
};

TOMBOLO_TEST(file, writes_and_reads_at_its_position) {
    const temporary_directory folder;
    file f = open_file(folder / "a", {.write = true, .create = true});
    assert_checkpoints([&] { f.write_all("hello, world"); });
    EXPECT_EQ(f.seek(0, seek_from::position), 12U);
    EXPECT_EQ(f.seek(7), 7U);
    std::string five(3, '\0');
    EXPECT_EQ(f.read_some(five), 3U);
    EXPECT_EQ(five, "wor");
    EXPECT_EQ(f.read_all(), "ld");
    EXPECT_EQ(f.read_some(five), 0U);
    EXPECT_EQ(f.seek(-5, seek_from::end), 7U);
    EXPECT_EQ(f.read_all(), "world");
    EXPECT_EQ(f.size(), 12U);
    f.truncate(5);
    f.sync();
    EXPECT_EQ(f.size(), 5U);
    assert_checkpoints([&] { f.aclose(); });
    EXPECT_EQ(read_file(folder / "a"), "hello");
}

TOMBOLO_TEST(file, reads_and_writes_at_an_offset_and_leaves_the_position) {
    const temporary_directory folder;
    file f = open_file(folder / "a", {.write = true, .create = true});
    f.write_all("0123456789");
    f.write_all_at("ab", 4);
    std::string part(4, '\0');
    EXPECT_EQ(f.read_some_at(part, 3), 4U);
    EXPECT_EQ(part, "3ab6");
    EXPECT_EQ(f.read_some_at(part, 100), 0U);
    EXPECT_EQ(f.seek(0, seek_from::position), 10U);
}

TOMBOLO_TEST(file, reads_line_by_line) {
    const temporary_directory folder;
    const std::string long_line(200'000, 'x');
    write_file(folder / "a", "one\n\n" + long_line + "\nlast");
    file f = open_file(folder / "a");
    std::vector<std::string> lines;
    for (const std::string& line : f) lines.push_back(line);
    EXPECT_THAT(lines, ElementsAre("one", "", long_line, "last"));
    EXPECT_EQ(assert_checkpoints([&] { return f.read_line(); }), std::nullopt);
    f.seek(0);
    EXPECT_EQ(assert_checkpoints([&] { return f.read_line(); }), "one");
    EXPECT_EQ(assert_checkpoints([&] { return f.read_line(); }), "") << "from what was read ahead";
    EXPECT_EQ(f.read_all(), long_line + "\nlast");
}

TOMBOLO_TEST(file, stands_behind_the_line_that_it_read_although_it_reads_ahead) {
    const temporary_directory folder;
    write_file(folder / "a", "one\ntwo\nthree\n");
    file f = open_file(folder / "a", {.write = true});
    EXPECT_EQ(f.read_line(), "one");
    EXPECT_EQ(f.seek(0, seek_from::position), 4U);
    EXPECT_EQ(f.read_line(), "two");
    f.write_all("THREE");
    EXPECT_EQ(read_file(folder / "a"), "one\ntwo\nTHREE\n");
    f.seek(0);
    EXPECT_EQ(f.read_line(), "one");
    std::string part(3, '\0');
    EXPECT_EQ(f.read_some(part), 3U);
    EXPECT_EQ(part, "two");
}

TOMBOLO_TEST(file, does_as_its_options_say) {
    const temporary_directory folder;
    const auto open = [&](const open_options& options) { return open_file(folder / "a", options); };
    EXPECT_THROW(open({.write = true}), io_error);
    open({.write = true, .exclusive = true, .permissions = 0600}).write_all("first ");
    EXPECT_EQ(os::status(folder / "a").permissions, std::filesystem::perms(0600));
    EXPECT_THROW(open({.write = true, .exclusive = true}), io_error);
    open({.read = false, .append = true}).write_all("second");
    EXPECT_EQ(read_file(folder / "a"), "first second");
    open({.write = true, .truncate = true}).write_all("x");
    EXPECT_EQ(read_file(folder / "a"), "x");
    file readable = open({});
    EXPECT_EQ(::fcntl(readable.fd(), F_GETFD), FD_CLOEXEC);
    EXPECT_THAT(text_of<io_error>([&] { readable.write_all("x"); }), AllOf(HasSubstr("write_all"), HasSubstr("/a\"")));

    EXPECT_THROW(open({.read = false}), usage_error);
    EXPECT_THROW(open({.create = true}), usage_error);
    EXPECT_THROW(open({.truncate = true}), usage_error);
}

TOMBOLO_TEST(file, names_what_cannot_be_opened) {
    try {
        static_cast<void>(open_file("/no/such/file"));
        ADD_FAILURE() << "opened";
    } catch (const io_error& error) {
        EXPECT_EQ(error.number(), ENOENT);
        EXPECT_STREQ(error.what(), "open_file: \"/no/such/file\": No such file or directory");
    }
    EXPECT_THROW(file{unique_fd()}, invalid_descriptor);
}

TOMBOLO_TEST(file, lets_one_task_at_a_time_use_the_position) {
    slow_file pipe;
    std::string got(8, '\0');
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_EQ(pipe.slow.read_some(got), 2U); });
        wait_all_tasks_blocked();
        EXPECT_THAT(text_of<busy_resource>([&] { static_cast<void>(pipe.slow.read_line()); }), HasSubstr("position"));
        EXPECT_THROW(pipe.slow.read_all(), busy_resource);
        EXPECT_THROW(pipe.slow.write_all("x"), busy_resource);
        EXPECT_THROW(pipe.slow.seek(0), busy_resource);
        EXPECT_EQ(::write(pipe.other_end.get(), "ok", 2), 2);
    });
    EXPECT_EQ(got.substr(0, 2), "ok");
    EXPECT_THROW(pipe.slow.read_some(mutable_bytes()), invalid_count);
    EXPECT_THROW(pipe.slow.read_some_at(mutable_bytes(), 0), invalid_count);
}

TOMBOLO_TEST(file, lives_until_a_call_in_progress_has_ended) {
    for (const bool in_order : {false, true}) {
        slow_file pipe;
        const int number = pipe.slow.fd();
        std::string got(8, '\0');
        open_nursery([&](nursery& n) {
            n.start_soon([&] { EXPECT_EQ(pipe.slow.read_some(got), 4U); });
            wait_all_tasks_blocked();
            if (in_order)
                assert_checkpoints([&] { pipe.slow.aclose(); });
            else
                assert_no_checkpoints([&] { pipe.slow.close(); });
            EXPECT_FALSE(pipe.slow.is_open());
            EXPECT_NE(::fcntl(number, F_GETFD), -1) << "the thread still reads from it";
            EXPECT_EQ(::write(pipe.other_end.get(), "late", 4), 4);
        });
        EXPECT_EQ(got.substr(0, 4), "late");
        EXPECT_EQ(::fcntl(number, F_GETFD), -1);
    }
}

TOMBOLO_TEST(file, returns_what_it_read_although_it_was_cancelled_meanwhile) {
    slow_file pipe;
    std::string got(8, '\0');
    cancel_scope scope;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_TRUE(scope.run([&] { EXPECT_EQ(pipe.slow.read_some(got), 4U); })); });
        wait_all_tasks_blocked();
        scope.cancel();
        wait_all_tasks_blocked();
        EXPECT_EQ(::write(pipe.other_end.get(), "kept", 4), 4);
    });
    EXPECT_EQ(got.substr(0, 4), "kept");
}

// P6.
TOMBOLO_TEST(file, is_closed_when_aclose_is_cancelled) {
    const temporary_directory folder;
    file f = open_file(folder / "a", {.write = true, .create = true});
    const int number = f.fd();
    cancel_scope scope;
    scope.cancel();
    EXPECT_FALSE(scope.run([&] { f.aclose(); }));
    EXPECT_FALSE(f.is_open());
    EXPECT_EQ(::fcntl(number, F_GETFD), -1);
    assert_checkpoints([&] { f.aclose(); });
    assert_no_checkpoints([&] { f.close(); });
    EXPECT_THROW(f.read_all(), closed_resource);
    EXPECT_THROW(f.size(), closed_resource);
    EXPECT_EQ(f.fd(), -1);
}

TOMBOLO_TEST(file, leaves_no_descriptor_open) {
    const temporary_directory folder;
    const auto before = open_descriptors();
    {
        file first = open_file(folder / "a", {.write = true, .create = true});
        file second = std::move(first);
        first = open_file(folder / "b", {.write = true, .create = true});
        EXPECT_EQ(open_descriptors(), before + 2);
        second = std::move(first);
        EXPECT_EQ(open_descriptors(), before + 1);
    }
    EXPECT_EQ(open_descriptors(), before);
}

TOMBOLO_TEST(whole_file, comes_back_as_it_was_written) {
    const temporary_directory folder;
    std::string bytes(1 << 20, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 + i / 251);
    assert_checkpoints([&] { write_file(folder / "a", bytes); });
    EXPECT_TRUE(assert_checkpoints([&] { return read_file(folder / "a"); }) == bytes);
    write_file(folder / "a", "short");
    EXPECT_EQ(read_file(folder / "a"), "short");
    write_file(folder / "a", ", longer", {.append = true});
    EXPECT_EQ(read_file(folder / "a"), "short, longer");
    write_file(folder / "b", "new", {.append = true, .permissions = 0600});
    EXPECT_EQ(os::status(folder / "b").permissions, std::filesystem::perms(0600));
    EXPECT_EQ(read_file("/proc/self/comm").back(), '\n') << "of a size that nobody says before";
    EXPECT_THAT(
        text_of<io_error>([] { static_cast<void>(read_file("/no/such")); }), HasSubstr("read_file: \"/no/such\""));
    EXPECT_THAT(text_of<io_error>([] { write_file("/no/such", "x"); }), HasSubstr("write_file: \"/no/such\""));
    EXPECT_THROW(write_file("/dev/full", "x"), io_error);
    EXPECT_THROW(static_cast<void>(read_file(folder.path())), io_error) << "a directory";
}

TOMBOLO_TEST(whole_file, is_replaced_at_once_or_not_at_all) {
    const temporary_directory folder;
    write_file(folder / "a", "old");
    ASSERT_EQ(::chmod((folder / "a").c_str(), 0640), 0);
    file reader = open_file(folder / "a");
    write_file(folder / "a", "new", {.atomic = true});
    EXPECT_EQ(read_file(folder / "a"), "new");
    EXPECT_EQ(reader.read_all(), "old");
    EXPECT_EQ(os::status(folder / "a").permissions, std::filesystem::perms(0640));
    write_file(folder / "made", "x", {.atomic = true, .permissions = 0600});
    EXPECT_EQ(os::status(folder / "made").permissions, std::filesystem::perms(0600));
    // A directory is not replaced by a file, and what was made beside it is gone.
    EXPECT_THROW(write_file(folder.path() / ".", "x", {.atomic = true}), io_error);
    EXPECT_THROW(write_file("/no/such/a", "x", {.atomic = true}), io_error);
    EXPECT_THROW(write_file(folder / "a", "x", {.append = true, .atomic = true}), usage_error);
    EXPECT_THAT(os::list_directory(folder.path()), ElementsAre("a", "made"));
}

TOMBOLO_TEST(filesystem, is_asked_in_threads) {
    const temporary_directory folder;
    write_file(folder / "b", "12345");
    write_file(folder / "a", "");
    const auto before = std::chrono::system_clock::now();
    EXPECT_EQ(assert_checkpoints([&] { return os::status(folder / "b"); }).size, 5U);
    EXPECT_EQ(os::status(folder / "b").type, std::filesystem::file_type::regular);
    EXPECT_EQ(os::status(folder.path()).type, std::filesystem::file_type::directory);
    EXPECT_EQ(os::status("/dev/null").type, std::filesystem::file_type::character);
    EXPECT_LE(os::status(folder / "b").modified, before);
    EXPECT_THROW(static_cast<void>(os::status(folder / "c")), io_error);
    EXPECT_TRUE(assert_checkpoints([&] { return os::exists(folder / "a"); }));
    EXPECT_FALSE(os::exists(folder / "c"));
    EXPECT_FALSE(os::exists(folder / "a" / "below a file"));
    EXPECT_THAT(assert_checkpoints([&] { return os::list_directory(folder.path()); }), ElementsAre("a", "b"));
    EXPECT_THROW(static_cast<void>(os::list_directory(folder / "c")), io_error);
    EXPECT_THROW(os::remove(folder.path()), io_error) << "not empty";
    EXPECT_TRUE(assert_checkpoints([&] { return os::remove(folder / "a"); }));
    EXPECT_FALSE(os::remove(folder / "a"));
    EXPECT_THAT(os::list_directory(folder.path()), ElementsAre("b"));
}

}  // namespace
}  // namespace tombolo::os
