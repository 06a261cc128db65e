#pragma once

#include "benchmarks/support/fresh_process.hpp"
#include "benchmarks/support/plain_names.hpp"

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace bench {

/// Adds one benchmark, `subject/library/params`. Its time column is the wall time per iteration.
template <typename Function, typename... Arguments>
benchmark::internal::Benchmark* add(const std::string& name, Function function, Arguments... arguments) {
    return benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { function(state, arguments...); });
}

/// Adds one benchmark that says itself how long an iteration took: the time column is what `function` gives to
/// `state.SetIterationTime`.
template <typename Function, typename... Arguments>
benchmark::internal::Benchmark* add_self_timed(const std::string& name, Function function, Arguments... arguments) {
    return benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { function(state, arguments...); })
        ->UseManualTime();
}

/// Adds one benchmark that is measured in a fresh process, once per iteration. The figure `seconds` becomes the time
/// column, divided by the figure `operations` where there is one; every other figure becomes a counter.
inline benchmark::internal::Benchmark* add_in_fresh_process(
    const std::string& name, std::function<figures()> measurement) {
    fresh_process::offer(name, std::move(measurement));
    return add_self_timed(
               name,
               [name](benchmark::State& state) {
                   for ([[maybe_unused]] auto _ : state) {
                       try {
                           figures measured = fresh_process::measure(name);
                           double seconds = measured.at("seconds");
                           measured.erase("seconds");
                           if (const auto operations = measured.find("operations"); operations != measured.end()) {
                               seconds /= operations->second;
                               measured.erase(operations);
                           }
                           state.SetIterationTime(seconds);
                           for (const auto& [key, value] : measured) {
                               state.counters[key] = value;
                           }
                       } catch (const std::exception& error) {
                           state.SkipWithError(error.what());
                       }
                   }
               })
        ->Iterations(1);
}

/// Measures rounds of `operations` operations each, after one that is not measured and leaves pools and caches warm.
template <typename Round>
void measure_warm(benchmark::State& state, benchmark::IterationCount operations, const Round& round) {
    round();
    while (state.KeepRunningBatch(operations)) {
        round();
    }
}

/// The main function of every benchmark program.
inline int run_subjects(int argc, char** argv) {
    if (const auto code = fresh_process::serve(argc, argv)) {
        return *code;
    }
    const char* out = std::getenv("BENCHMARK_OUT");
    bool to_file = out != nullptr && *out != '\0';
    bool as_json = true;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument{argv[i]};
        to_file = to_file || (argument.starts_with("--benchmark_out=") && argument.back() != '=');
        as_json = as_json && (!argument.starts_with("--benchmark_out_format=") || argument.ends_with("=json"));
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
        return 2;
    }
    plain_names display{std::unique_ptr<benchmark::BenchmarkReporter>{benchmark::CreateDefaultDisplayReporter()}};
    if (to_file && as_json) {
        plain_names file{std::make_unique<benchmark::JSONReporter>()};
        benchmark::RunSpecifiedBenchmarks(&display, &file);
    } else {
        benchmark::RunSpecifiedBenchmarks(&display);
    }
    benchmark::Shutdown();
    return 0;
}

}  // namespace bench
