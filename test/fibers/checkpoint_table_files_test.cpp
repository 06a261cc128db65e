#include "test/fibers/checkpoint_claims.hpp"
#include "test/os/temporary_directory.hpp"

#include <tombolo/fibers/os/file.hpp>
#include <tombolo/fibers/os/filesystem.hpp>
#include <tombolo/fibers/os/whole_file.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <string>

// The rows of files. Each call waits for a thread, and one that finds nothing to do does too.

namespace tombolo::testing {
namespace {

using os::file;

using use_of_file = std::function<void(call_check&, file&)>;

/// In a file that is empty and in one that is not.
claim on_files(const char* function, const use_of_file& use) {
    const auto with = [use](const char* contents) {
        return [use, contents](call_check& check) {
            const temporary_directory folder;
            os::write_file(folder / "a", contents);
            file f = os::open_file(folder / "a", {.write = true});
            use(check, f);
        };
    };
    return {"fibers/os/file.hpp", function, "always", {at_once(with("")), waiting(with("one\ntwo\n"))}};
}

using use_of_path = std::function<void(call_check&, const std::filesystem::path&)>;

/// On a path where there is nothing and on one where there is a file.
claim on_paths(const char* header, const char* function, const use_of_path& use) {
    const auto with = [use](bool there) {
        return [use, there](call_check& check) {
            const temporary_directory folder;
            if (there) os::write_file(folder / "a", "x");
            use(check, folder / "a");
        };
    };
    return {header, function, "always", {at_once(with(false)), waiting(with(true))}};
}

const checkpoint_rows files{
    on_files("file_read_some", [](call_check& check, file& f) { check([&] { f.read_some(std::string(8, '\0')); }); }),
    on_files(
        "file_read_some_at",
        [](call_check& check, file& f) { check([&] { f.read_some_at(std::string(8, '\0'), 2); }); }),
    on_files("file_read_all", [](call_check& check, file& f) { check([&] { f.read_all(); }); }),
    on_files(
        "file_read_line",
        [](call_check& check, file& f) {
            for (int i = 0; i < 3; ++i) check([&] { f.read_line(); });
        }),
    on_files(
        "file_write_all",
        [](call_check& check, file& f) {
            check([&] { f.write_all("x"); });
            check([&] { f.write_all(""); });
        }),
    on_files("file_write_all_at", [](call_check& check, file& f) { check([&] { f.write_all_at("x", 7); }); }),
    on_files("file_seek", [](call_check& check, file& f) { check([&] { f.seek(1); }); }),
    on_files("file_size", [](call_check& check, file& f) { check([&] { f.size(); }); }),
    on_files("file_truncate", [](call_check& check, file& f) { check([&] { f.truncate(3); }); }),
    on_files("file_sync", [](call_check& check, file& f) { check([&] { f.sync(); }); }),
    on_files("file_begin", [](call_check& check, file& f) { check([&] { f.begin(); }); }),
    on_files(
        "file_aclose",
        [](call_check& check, file& f) {
            check([&] { f.aclose(); });
            check([&] { f.aclose(); });
        }),
    {"fibers/os/file.hpp", "file_close", "never", {never([](call_check& check) {
         file f = os::open_file("/dev/null");
         check([&] { f.close(); });
     })}},
    on_paths(
        "fibers/os/file.hpp", "open_file",
        [](call_check& check, const std::filesystem::path& path) {
            check([&] { static_cast<void>(os::open_file(path, {.write = true, .create = true})); });
        }),
    on_paths(
        "fibers/os/whole_file.hpp", "read_file",
        [](call_check& check, const std::filesystem::path& path) {
            if (!os::exists(path)) os::write_file(path, "");
            check([&] { static_cast<void>(os::read_file(path)); });
        }),
    on_paths(
        "fibers/os/whole_file.hpp", "write_file",
        [](call_check& check, const std::filesystem::path& path) {
            check([&] { os::write_file(path, "y", {.atomic = true}); });
            check([&] { os::write_file(path, "z"); });
        }),
    on_paths(
        "fibers/os/filesystem.hpp", "status",
        [](call_check& check, const std::filesystem::path& path) {
            check([&] { static_cast<void>(os::status(path.parent_path())); });
        }),
    on_paths(
        "fibers/os/filesystem.hpp", "exists",
        [](call_check& check, const std::filesystem::path& path) {
            check([&] { static_cast<void>(os::exists(path)); });
        }),
    on_paths(
        "fibers/os/filesystem.hpp", "remove",
        [](call_check& check, const std::filesystem::path& path) { check([&] { os::remove(path); }); }),
    on_paths(
        "fibers/os/filesystem.hpp", "list_directory",
        [](call_check& check, const std::filesystem::path& path) {
            check([&] { static_cast<void>(os::list_directory(path.parent_path())); });
        }),
};

}  // namespace
}  // namespace tombolo::testing
