#pragma once

#include <tombolo/base/time.hpp>
#include <tombolo/base/unique_function.hpp>

namespace tombolo::lowlevel {

/// A foreign event loop that can call functions soon, and nothing else: the general kind of host for a guest run. While
/// the guest has nothing to do, a thread of the cache waits for its events; the guest keeps it from its start to its
/// end.
///
/// A host that can watch a file descriptor is better off as a watching_host. Its functions must not call `f` before
/// they return; each `f` is called once, on the thread that started the guest. Destroying an `f` that was not called
/// abandons the guest (see guest_run). A function that throws ends the guest: everything in it is cancelled, it runs to
/// its end on the spot, and `done` gets an internal_error. On another thread that cannot be: the error is reported on
/// stderr, and the guest goes on with drain() only.
/// Lifetime: outlives the guest run. When `done` is called no other thread is inside the host's functions any more; so
/// `f` and drain() must not be called under a lock that run_soon_threadsafe needs.
/// Source: trio's run_sync_soon_threadsafe and run_sync_soon_not_threadsafe.
class posting_host {
public:
    virtual ~posting_host() = default;

    /// Has the host's thread call `f` soon, and wakes it if it sleeps. Never called from the host's own thread, unless
    /// run_soon is not overridden. Callable from: any thread.
    virtual void run_soon_threadsafe(unique_function<void()> f) = 0;

    /// The same, called on the host's own thread only: most loops have a cheaper way for that.
    virtual void run_soon(unique_function<void()> f) { run_soon_threadsafe(std::move(f)); }
};

/// A foreign event loop that can watch a file descriptor and a timer: the guest needs no thread.
///
/// Everything is called on the host's thread. The host calls the function that open() gave it from its own turns, never
/// inside one of the calls below; once too often does no harm. Destroying that function before close() abandons the
/// guest (see guest_run). A function that throws ends the guest, as with a posting_host.
/// Lifetime: outlives the guest run. Source: architecture.md D11; trio needs a thread for this.
class watching_host {
public:
    virtual ~watching_host() = default;

    /// From now on: call `wake` whenever `descriptor` is readable (level-triggered), and as the calls below ask.
    virtual void open(int descriptor, unique_function<void()> wake) = 0;

    /// Call wake() once in the coming turn, whatever happens. Asked for by the guest's steps, and by what host code
    /// does to the guest's tasks.
    virtual void wake_soon() = 0;

    /// Call wake() once when `timeout` of real time has passed; replaces what was asked before. duration::max(): never,
    /// as in the beginning. A little too early does no harm.
    virtual void wake_after(duration timeout) = 0;

    /// The guest has ended, or has not started after all: forget the descriptor, the timer and `wake`. It is `wake`
    /// that calls this, so the host must be ready to destroy it while it is being called.
    virtual void close() noexcept = 0;

    /// True for a host that is itself a task of a run: then the guest is installed on the thread only while it makes a
    /// step, and the run around it otherwise.
    virtual bool is_in_a_run() const { return false; }
};

}  // namespace tombolo::lowlevel
