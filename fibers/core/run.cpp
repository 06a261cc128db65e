#include <tombolo/fibers/run.hpp>

#include "fibers/core/run_frame.hpp"
#include "fibers/core/run_loop.hpp"

namespace tombolo::kernel {

void run_main(callable_ref main, const run_options& options) {
    require_no_run("run");
    run_frame frame(options);
    {
        const installation installed(frame.run());
        frame.start(main);
        while (!frame.ended()) run_pass(frame.run());
        frame.finish();
    }
    frame.throw_result();
}

}  // namespace tombolo::kernel
