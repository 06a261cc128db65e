#pragma once

#include <cstdio>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench {

/// What a measurement in a fresh process hands back: named figures.
using figures = std::map<std::string, double>;

/// Measurements that must not see what earlier ones left behind (warm pools, touched stacks, a grown heap):
/// each runs in a newly executed copy of this program and prints its figures to its parent. A fork would not do, since
/// it starts with the parent's page tables.
class fresh_process {
public:
    static void offer(const std::string& name, std::function<figures()> measurement) {
        offers()[name] = std::move(measurement);
    }

    /// Throws: std::runtime_error when the child could not be started, failed, or printed no figures.
    static figures measure(const std::string& name) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) {
            throw std::runtime_error{"cannot make a pipe for the fresh process of " + name};
        }
        std::string argument{option};
        argument += name;
        std::string self = "fresh_process";
        char* const arguments[] = {self.data(), argument.data(), nullptr};
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        ::pid_t child = 0;
        const int failed = ::posix_spawn(&child, "/proc/self/exe", &actions, nullptr, arguments, environ);
        ::posix_spawn_file_actions_destroy(&actions);
        ::close(ends[1]);
        figures result = failed == 0 ? read_figures(ends[0]) : figures{};
        ::close(ends[0]);
        int status = 0;
        if (failed != 0 || ::waitpid(child, &status, 0) != child || status != 0 || result.empty()) {
            throw std::runtime_error{
                "the fresh process of " + name + " failed (wait status " + std::to_string(status) +
                "); run it alone with " + argument};
        }
        return result;
    }

    /// In such a child: measures, prints, and returns the exit code. Otherwise empty.
    static std::optional<int> serve(int argc, char** argv) {
        if (argc != 2 || !std::string_view{argv[1]}.starts_with(option)) {
            return std::nullopt;
        }
        const auto offer = offers().find(std::string{std::string_view{argv[1]}.substr(option.size())});
        if (offer == offers().end()) {
            std::fprintf(stderr, "nothing of this name is measured in a fresh process: %s\n", argv[1]);
            return 2;
        }
        for (const auto& [key, value] : offer->second()) {
            std::printf("%s %.17g\n", key.c_str(), value);
        }
        return 0;
    }

private:
    static constexpr std::string_view option = "--in-fresh-process=";

    static std::map<std::string, std::function<figures()>>& offers() {
        static std::map<std::string, std::function<figures()>> all;
        return all;
    }

    static figures read_figures(int fd) {
        figures result;
        std::FILE* stream = ::fdopen(::dup(fd), "r");
        char key[128];
        double value = 0;
        while (std::fscanf(stream, "%127s %lf", key, &value) == 2) {
            result[key] = value;
        }
        std::fclose(stream);
        return result;
    }
};

}  // namespace bench
