#pragma once

#include "fibers/trace/timeline.hpp"

#include <iosfwd>

namespace tombolo::kernel {

/// Writes a timeline in the trace event format: "Trace Event Format" of the Chromium project, as Perfetto reads it.
///
/// On each track slices come in the order in which they begin, what is outside before what is inside; everything else
/// comes behind all slices. Readers sort by time and keep that order where times are equal.
void write_trace_events(std::ostream& out, const timeline& what, bool with_waits, std::size_t bytes);

}  // namespace tombolo::kernel
