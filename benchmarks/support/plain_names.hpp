#pragma once

#include <benchmark/benchmark.h>

#include <memory>
#include <utility>
#include <vector>

namespace bench {

/// A reporter that hands everything on to another one, with the names cut to `subject/library/params`.
/// Google Benchmark appends how it timed (`/manual_time`, `/iterations:1`), which would keep the figures of one
/// subject from lining up when one peer is timed by the wall clock and another one by itself.
class plain_names : public benchmark::BenchmarkReporter {
public:
    explicit plain_names(std::unique_ptr<benchmark::BenchmarkReporter> next) : next_{std::move(next)} {}

    bool ReportContext(const Context& context) override {
        next_->SetOutputStream(&GetOutputStream());
        next_->SetErrorStream(&GetErrorStream());
        return next_->ReportContext(context);
    }

    void ReportRuns(const std::vector<Run>& runs) override {
        std::vector<Run> renamed = runs;
        for (Run& run : renamed) {
            run.run_name.time_type.clear();
            run.run_name.iterations.clear();
            run.run_name.repetitions.clear();
        }
        next_->ReportRuns(renamed);
    }

    void Finalize() override { next_->Finalize(); }

private:
    std::unique_ptr<benchmark::BenchmarkReporter> next_;
};

}  // namespace bench
