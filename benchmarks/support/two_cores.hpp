#pragma once

#include <sched.h>

namespace bench {

/// The cores of a subject that measures two threads: what it measures is how they reach each other, not how the kernel
/// shares out a core.
struct two_cores {
    int run = -1;    ///< for the thread whose figures count
    int other = -1;  ///< the same one if this machine has no other

    /// The last two cores that this process may use; if it was pinned to one, the other is any that the machine has.
    static two_cores choose() {
        cpu_set_t allowed;
        CPU_ZERO(&allowed);
        ::sched_getaffinity(0, sizeof allowed, &allowed);
        two_cores chosen;
        for (int core = CPU_SETSIZE - 1; core >= 0; --core) {
            if (CPU_ISSET(core, &allowed)) {
                if (chosen.run < 0) {
                    chosen.run = core;
                } else if (chosen.other < 0) {
                    chosen.other = core;
                }
            }
        }
        for (int core = 0; core < CPU_SETSIZE && chosen.other < 0; ++core) {
            if (core != chosen.run && can_use(core)) {
                chosen.other = core;
            }
        }
        chosen.other = chosen.other < 0 ? chosen.run : chosen.other;
        move_to(chosen.run);
        return chosen;
    }

    /// Moves the calling thread there.
    static bool move_to(int core) {
        cpu_set_t only;
        CPU_ZERO(&only);
        CPU_SET(core, &only);
        return ::sched_setaffinity(0, sizeof only, &only) == 0;
    }

    bool apart() const { return run != other; }

private:
    /// Asks the kernel by going there; `choose` comes back.
    static bool can_use(int core) { return move_to(core); }
};

}  // namespace bench
