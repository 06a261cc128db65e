#include "benchmarks/profile/options.hpp"

#include "benchmarks/profile/bad_usage.hpp"

#include <charconv>
#include <string_view>

namespace profile {
namespace {

constexpr std::size_t most_samples = 1'000'000'000;

std::size_t parse_samples(std::string_view text) {
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 100 || value > most_samples) {
        throw bad_usage{
            "--samples wants a whole number from 100 to " + std::to_string(most_samples) + ", not \"" +
            std::string{text} + "\""};
    }
    return value;
}

}  // namespace

options options::parse(int argc, const char* const* argv) {
    options result;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument{argv[i]};
        const auto value = [&]() -> std::string_view {
            if (i + 1 == argc || *argv[i + 1] == '\0') {
                throw bad_usage{std::string{argument} + " wants a value"};
            }
            return argv[++i];
        };
        if (argument == "--html") {
            result.html_file = value();
        } else if (argument == "--samples") {
            result.samples = parse_samples(value());
        } else if (argument == "--quick") {
            result.samples = quick_samples;
        } else if (argument == "--help") {
            result.help = true;
        } else {
            throw bad_usage{"there is no option \"" + std::string{argument} + "\""};
        }
    }
    return result;
}

}  // namespace profile
