#pragma once

#include <tombolo/base/time.hpp>

#include <concepts>
#include <type_traits>

namespace tombolo {

class cancel_scope;
class nursery;
class task;
struct cancel_reason;

/// Hooks that watch a run: tracers, statistics, watchdogs. Override those that you need; only overridden ones cost.
///
/// Hooks run on the run's thread and must not reach a checkpoint. An exception out of a hook is reported on stderr, the
/// instrument is removed, and the run goes on. In before_task_step, after_task_step and task_exited that task is the
/// current task; in the hooks about nurseries and scopes it is the one that acts; in the others there is none.
/// Source: trio.abc.Instrument, which ends with after_io_wait.
class instrument {
public:
    virtual ~instrument() = default;
    virtual void before_run() {}
    virtual void after_run() {}
    virtual void task_spawned(task&) {}
    /// The task became runnable.
    virtual void task_scheduled(task&) {}
    virtual void before_task_step(task&) {}
    virtual void after_task_step(task&) {}
    virtual void task_exited(task&) {}
    /// Units: real time that the run is about to wait for events at most.
    virtual void before_io_wait(duration) {}
    virtual void after_io_wait(duration) {}

    /// Instead of before_run, for an instrument that is added to a run which is going already. An exception leaves
    /// add_instrument, and nothing has been installed.
    virtual void attached() {}

    /// The current task has opened a nursery, or is about to leave it: all its children have ended.
    virtual void nursery_entered(nursery&) {}
    virtual void nursery_exited(nursery&) {}

    /// The current task has entered a cancel scope, or has left it and cancelled_caught() is settled. Not for the scopes
    /// of nurseries: these live as long as the nursery is open.
    virtual void scope_entered(cancel_scope&) {}
    virtual void scope_exited(cancel_scope&) {}

    /// An entered scope, that of a nursery included, was cancelled; nothing inside has been woken yet. The current task is
    /// the one that cancels, if one does.
    virtual void scope_cancelled(cancel_scope&, const cancel_reason&) {}
};

namespace lowlevel {

enum class instrument_hook : unsigned {
    before_run = 1,
    after_run = 2,
    task_spawned = 4,
    task_scheduled = 8,
    before_task_step = 16,
    after_task_step = 32,
    task_exited = 64,
    before_io_wait = 128,
    after_io_wait = 256,
    attached = 512,
    nursery_entered = 1024,
    nursery_exited = 2048,
    scope_entered = 4096,
    scope_exited = 8192,
    scope_cancelled = 16384,
    all = 32767
};

/// An instrument and which hooks it overrides, found out at compile time from its type. A plain `instrument*` counts
/// as overriding all.
class instrument_ref {
public:
    template <std::derived_from<instrument> T>
    instrument_ref(T* watcher) noexcept : watcher_(watcher), hooks_(overridden<T>()) {}

    instrument* get() const noexcept { return watcher_; }
    unsigned hooks() const noexcept { return hooks_; }

private:
#define TOMBOLO_OVERRIDES(hook)                                                    \
    [] {                                                                           \
        if constexpr (requires { &T::hook; })                                      \
            return std::is_same_v<decltype(&T::hook), decltype(&instrument::hook)> \
                ? 0u                                                               \
                : static_cast<unsigned>(instrument_hook::hook);                    \
        else                                                                       \
            return static_cast<unsigned>(instrument_hook::hook);                   \
    }()
    template <class T>
    static constexpr unsigned overridden() noexcept {
        if constexpr (std::same_as<T, instrument>)
            return static_cast<unsigned>(instrument_hook::all);
        else
            return TOMBOLO_OVERRIDES(before_run) | TOMBOLO_OVERRIDES(after_run) | TOMBOLO_OVERRIDES(task_spawned) |
                TOMBOLO_OVERRIDES(task_scheduled) | TOMBOLO_OVERRIDES(before_task_step) |
                TOMBOLO_OVERRIDES(after_task_step) | TOMBOLO_OVERRIDES(task_exited) |
                TOMBOLO_OVERRIDES(before_io_wait) | TOMBOLO_OVERRIDES(after_io_wait) | TOMBOLO_OVERRIDES(attached) |
                TOMBOLO_OVERRIDES(nursery_entered) | TOMBOLO_OVERRIDES(nursery_exited) |
                TOMBOLO_OVERRIDES(scope_entered) | TOMBOLO_OVERRIDES(scope_exited) | TOMBOLO_OVERRIDES(scope_cancelled);
    }
#undef TOMBOLO_OVERRIDES

    instrument* watcher_;
    unsigned hooks_;
};

/// Adds an instrument to the current run; nothing happens when it is there already.
/// Checkpoint: never. Throws: not_in_run; what attached() throws. Lifetime: the instrument must stay until it is removed or the run ends.
/// Source: trio.lowlevel.add_instrument.
void add_instrument(instrument_ref);

/// Checkpoint: never. Throws: not_in_run; instrument_not_found. Source: trio.lowlevel.remove_instrument.
void remove_instrument(instrument&);

}  // namespace lowlevel
}  // namespace tombolo
