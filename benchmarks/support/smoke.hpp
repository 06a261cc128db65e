#pragma once

#include <cstdlib>
#include <string_view>

namespace bench {

/// True when TOMBOLO_BENCH_SMOKE=1 is set: the run only has to prove that every benchmark works.
inline bool smoke() {
    const char* value = std::getenv("TOMBOLO_BENCH_SMOKE");
    return value != nullptr && std::string_view{value} == "1";
}

/// The size that a subject works with: `full` in a measurement, `small` in a smoke run. The names of the
/// benchmarks always carry the size that really ran.
inline int scaled(int full, int small) { return smoke() ? small : full; }

}  // namespace bench
