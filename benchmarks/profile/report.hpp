#pragma once

#include "benchmarks/profile/machine.hpp"
#include "benchmarks/profile/measurement.hpp"

#include <string>
#include <vector>

namespace profile {

/// Everything that is reported, in whatever form.
struct report {
    description setting;  ///< machine, compiler, how it was measured
    std::vector<measurement> measurements;

    /// The different numbers of tasks, in the order of measurement.
    std::vector<int> task_counts() const;
    std::vector<const measurement*> with_tasks(int tasks) const;
};

/// Units: ns. Three significant digits and the unit that reads best: "4.18 ns", "12.3 us".
std::string as_time(double ns);
/// "1,000,000".
std::string as_count(std::size_t count);

/// For the terminal: aligned with spaces.
std::string as_table(const report& of);

/// One file that needs no other: style, text and figures inside.
std::string as_html(const report& of);

}  // namespace profile
