"""gdb commands that see the tasks of tombolo runs, in a live process and in a core file.

    (gdb) source scripts/gdb/tombolo.py
    (gdb) tombolo tasks              every task of every run, as a tree
    (gdb) tombolo bt TASK [OPTION]   the backtrace of a parked task; options as for gdb's bt: full, -full, 5, ...
    (gdb) tombolo frame TASK         bt, up, down, frame and info locals look at that task from now on ...
    (gdb) tombolo frame              ... and at the thread again
    (gdb) tombolo core FILE          a core of the live process with all stacks; gdb's own may lose them, see core_file.py

TASK is a name, an id (7 or #7), or RUN/ID where several runs have that id. Needs gdb 11 with Python. Calls nothing in the
program and writes nothing to it.
"""

import os
import re
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tombolo_gdb.core_file import write_core
from tombolo_gdb.registers import past_main, saved_registers, suspended_task
from tombolo_gdb.tasks import all_runs, find_tasks, one_of


def suspended(argument):
    """A task that has frames to show, and what follows its name."""
    if not argument:
        raise gdb.GdbError("tombolo: which task? Give a name or an id; `tombolo tasks` lists them.")
    found, options = find_tasks(argument), ""
    if not found:
        argument, options = split(argument)
        found = find_tasks(argument)
    task = one_of(found, argument)
    thread = task.run.threads.running(task)
    if thread is not None:
        raise gdb.GdbError(f"tombolo: {task.line()}; its frames are those of the thread: `thread apply {thread.num} bt`.")
    if task.stack() is None:
        raise gdb.GdbError(f"tombolo: {task.line()}; it has no frames yet.")
    return task, options


def split(argument):
    """A name and the options of bt behind it; a name that looks like options can be quoted."""
    quoted = re.fullmatch(r"(['\"])(.*?)\1\s*(.*)", argument)
    if quoted:
        return quoted[2], quoted[3]
    words = re.fullmatch(r"(.*?)((?:\s+(?:-\S+|full|no-filters|hide|\d+))*)", argument)
    return words[1], words[2].strip()


class TomboloCommand(gdb.Command):
    """Look at the tasks of tombolo runs: tombolo tasks, tombolo bt TASK, tombolo frame [TASK], tombolo core FILE."""

    def __init__(self):
        super().__init__("tombolo", gdb.COMMAND_STACK, prefix=True)


class Subcommand(gdb.Command):
    def __init__(self, name):
        super().__init__("tombolo " + name, gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        shown = suspended_task.registers
        suspended_task.show(None)
        try:
            self.run(argument.strip())
        except gdb.error as error:
            raise gdb.GdbError(f"tombolo: {error}; the memory may be corrupted.") from None
        finally:
            if suspended_task.registers is None and shown and self.keeps_selection:
                suspended_task.show(shown)

    keeps_selection = True


class Tasks(Subcommand):
    """Show every task of every run as a tree: name, id, state, what it waits in, nurseries, cancelled scopes."""

    def run(self, _):
        runs = all_runs()
        if not runs:
            print("tombolo: no run is active.")
        for run in runs:
            print(run.title())
            if run.root() is None:
                print("  it has no tasks (it is about to start or has just ended)")
            for task, text in run.rows():
                print("  " + text + (task.line() if task else ""))


class Backtrace(Subcommand):
    """Show the backtrace of a suspended task: tombolo bt TASK [options of bt]."""

    def run(self, argument):
        task, options = suspended(argument)
        print(task.line())
        with past_main():
            suspended_task.show(saved_registers(task))
            try:
                # gdb counts the thread's own frame too, so a limit must be one more.
                count = re.fullmatch(r"(.*?)\b([1-9]\d*)", options)
                shown = gdb.execute(f"bt {count[1]}{int(count[2]) + 1}" if count else "bt " + options, to_string=True)
            finally:
                suspended_task.show(None)
        # Frame 0 is the thread's: where it happens to be now.
        print(re.sub(r"\A#0 .*?(?=^#1 |\Z)", "", shown, flags=re.S | re.M), end="")


class Frame(Subcommand):
    """Let gdb's own commands look at a suspended task, or, without an argument, at the thread again."""

    keeps_selection = False
    settings = None

    def run(self, argument):
        if self.settings:
            self.settings.__exit__()
            self.settings = None
        if not argument:
            return print("tombolo: gdb looks at the thread again")
        task, _ = suspended(argument)
        self.settings = past_main()
        self.settings.__enter__()
        suspended_task.show(saved_registers(task))
        print(f"{task.line()}\n`bt`, `frame`, `up`, `down` and `info locals` look at it until `tombolo frame` or the program "
              "goes on; frame 0 is still the thread's own.")
        gdb.execute("frame 1")


class Core(Subcommand):
    """Write a core of the live process, like generate-core-file, with the stacks of all tasks: tombolo core FILE."""

    def run(self, argument):
        if not argument:
            raise gdb.GdbError("tombolo core: which file shall it be?")
        try:
            said, added = write_core(argument)
        except OSError as error:
            raise gdb.GdbError(f"tombolo core: {error}") from None
        print(said)
        if added:
            print(f"tombolo: {added} bytes that gdb had left out are added")


TomboloCommand()
Tasks("tasks")
Backtrace("bt")
Frame("frame")
Core("core")
