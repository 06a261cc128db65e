"""The runs of a process, their tasks and nurseries, as the library's own types show them."""

import re

import gdb

from .memory import (MOST_LINKS, READ_ERRORS, elements, kernel_type, object_at, pointer_in, readable_type, std_string, text_at,
                     word)

LAYOUT = 1  # run_registry::layout of the library that this script understands
MOST_FRAMES = 256
NEVER = 2**63 - 1


class Task:
    def __init__(self, run, state):
        self.run = run
        self.state = state
        self.address = int(state.address)

    @property
    def id(self):
        return int(self.state["id"])

    def name(self):
        extras = pointer_in(self.state["extras"])
        if extras != 0:
            given = std_string(object_at(extras, kernel_type("task_extras"))["name"])
            if given:
                return given
        # std::type_info begins with a pointer to its virtual functions and one to its name.
        return readable_type(text_at(word(int(self.state["operations"]["type"]) + 8)).lstrip("*"))

    def stack(self):
        """The bounds of its stack, the guard included; None before its first step."""
        memory = self.state["fiber"]["memory"]
        if int(memory) == 0:
            return None
        return int(memory["base"]) - int(memory["guard_bytes"]), int(memory["top"]) + int(memory["colour"])

    def where(self):
        """What it is parked in; None when it is not parked."""
        wait = self.state["wait"]
        return text_at(wait["where"]) if int(wait) != 0 else None

    def phase(self):
        thread = self.run.threads.running(self)
        if thread is not None:
            return f"running in thread {thread.num}"
        if self.where() is not None:
            return "parked in " + self.where()
        return "not started" if self.stack() is None else "runnable"

    def scopes(self):
        """The cancel statuses that it has entered inside the nursery that it lives in, innermost first."""
        parent = self.state["parent"]
        outside = int(parent["scope_"]["status_"].address) if int(parent) != 0 else 0
        status = self.state["status"]
        for _ in range(MOST_LINKS):
            if int(status) in (0, outside):
                return
            yield status.dereference()
            status = status["parent"]

    def line(self):
        try:
            text = f"{self.name()} #{self.id}: {self.phase()}"
            text += "".join(f" [{scope}]" for scope in map(describe_scope, self.scopes()) if scope)
            return text + (" [starting]" if int(self.state["eventual_parent"]) != 0 else "")
        except READ_ERRORS as error:
            return f"<unreadable task at {self.address:#x}: {error}>"


def describe_scope(status):
    scope = status["scope"].referenced_value()
    text = " shielded" if scope["shield_"] else ""
    if scope["cancel_called_"]:
        text += " cancelled"
        reason = pointer_in(scope["reason_"])
        if reason != 0:
            reason = object_at(reason, gdb.lookup_type("tombolo::cancel_reason"))
            why = str(reason["source"]).rpartition("::")[2].replace("_", " ")
            words = std_string(reason["reason"])
            text += f" ({why}: {words})" if words else f" ({why})"
    elif status["effectively_cancelled"]:
        text += " cancelled from outside"
    elif word(scope["timer_"]["when"].address) != NEVER:
        text += " with a deadline"
    return "scope" + text if text else ""


class Run:
    def __init__(self, entry, threads):
        self.state = entry["run_"].dereference()
        self.threads = threads
        self.serial = int(self.state["serial"])
        self.lwp = int(entry["thread_"])

    def root(self):
        root = self.state["root"]
        return Task(self, root.dereference()) if int(root) != 0 else None

    def head(self):
        """The address of the link at the head of the run queue: the running task's, or the run loop's."""
        return int(self.state["queue"]["head_"])

    def rows(self):
        """Every task with the text before it, and every nursery, in the order of the tree."""
        kind, nursery = kernel_type("task_state"), gdb.lookup_type("tombolo::nursery")
        seen = set()
        todo = [(self.root(), "", "")] if self.root() else []
        while todo:
            what, before, indent = todo.pop()
            if isinstance(what, str):
                yield None, before + what
                continue
            if what.address in seen or len(seen) > MOST_LINKS:
                yield None, f"{before}<the tree is broken: the task at {what.address:#x} occurs twice>"
                continue
            seen.add(what.address)
            yield what, before
            below = []
            try:
                for opened in elements(what.state["nurseries"], nursery):
                    scope = describe_scope(opened["scope_"]["status_"])
                    below.append(("nursery" + (f" [{scope}]" if scope else ""), indent, ""))
                    children = [Task(self, child) for child in elements(opened["children_"], kind)]
                    for child in children:
                        last = child is children[-1]
                        below.append((child, indent + ("`-- " if last else "|-- "), indent + ("    " if last else "|   ")))
            except READ_ERRORS as error:
                below.append((f"<unreadable: {error}>", indent, ""))
            todo.extend(reversed(below))

    def title(self):
        thread = self.threads.of(self.lwp)
        name = f' "{thread.name}"' if thread and thread.name else ""
        place = f"thread {thread.num} (LWP {self.lwp}{name})" if thread else f"LWP {self.lwp}, which is not here"
        return f"run {self.serial} in {place}, {int(self.state['tasks_living'])} tasks"


class Threads:
    """The threads of the program, and what they run."""

    def __init__(self):
        self.all = {thread.ptid[1]: thread for thread in gdb.selected_inferior().threads() if thread.is_valid()}
        self.known = {}

    def of(self, lwp):
        return self.all.get(lwp)

    def running(self, task):
        """The thread that runs `task`; None when it is suspended."""
        bounds = task.stack()
        if bounds is None or task.run.head() != int(task.state["next"].address):
            return None
        # In a core of another pid namespace the numbers may not fit: then any thread will do.
        candidates = [self.of(task.run.lwp)] if self.of(task.run.lwp) else self.all.values()
        for thread in candidates:
            if any(bounds[0] <= sp <= bounds[1] for sp in self.stack_pointers(thread)):
                return thread
        return None

    def stack_pointers(self, thread):
        """Of its frames: it may be in a signal handler on another stack."""
        if thread.num not in self.known:
            with unchanged_selection():
                thread.switch()
                found, frame = [], gdb.newest_frame()
                try:
                    while frame is not None and len(found) < MOST_FRAMES:
                        found.append(int(frame.read_register("sp")) & 2**64 - 1)
                        frame = frame.older()
                except gdb.error:
                    pass
                self.known[thread.num] = found
        return self.known[thread.num]


class unchanged_selection:
    def __enter__(self):
        self.thread, self.frame = gdb.selected_thread(), gdb.selected_frame()

    def __exit__(self, *_):
        self.thread.switch()
        if self.frame.is_valid():
            self.frame.select()


def all_runs():
    if gdb.selected_thread() is None:
        raise gdb.GdbError("tombolo: there is no process and no core; attach, run, or load one first.")
    try:
        registry = gdb.parse_and_eval("tombolo_runs")
        layout = int(registry["layout"])
    except gdb.error as error:
        if "unknown type" in str(error):
            kernel_type("run_state")
        raise gdb.GdbError(
            "tombolo: there is no symbol tombolo_runs: this program has no tombolo in it, its symbols are not loaded, or "
            f"it has been stripped. (gdb: {error})") from None
    if layout != LAYOUT:
        raise gdb.GdbError(
            f"tombolo: the program's library has layout {layout}, this script reads layout {LAYOUT}: use the script that "
            "came with the library.")
    threads, runs, entry = Threads(), [], registry["first"]
    while int(entry) != 0 and len(runs) < MOST_LINKS:
        try:
            runs.append(Run(entry, threads))
            entry = entry["next_"]
        except gdb.error as error:
            print(f"tombolo: the list of runs is broken: {error}")
            break
    return sorted(runs, key=lambda run: run.serial)


def find_tasks(wanted):
    """The tasks that are called `wanted`, by name or by id."""
    number = re.fullmatch(r"(?:(\d+)/)?#?(\d+)", wanted)
    found = []
    for run in all_runs():
        for task, _ in run.rows():
            try:
                if task and (number and number[1] in (None, str(run.serial)) and task.id == int(number[2])
                             or task.name() == wanted):
                    found.append(task)
            except READ_ERRORS:
                continue  # the others may be readable
    return found


def one_of(found, wanted):
    if not found:
        raise gdb.GdbError(f"tombolo: there is no task {wanted}; `tombolo tasks` lists them.")
    if len(found) > 1:
        names = "".join(f"\n  {task.run.serial}/{task.id}  {task.line()}" for task in found)
        raise gdb.GdbError(f"tombolo: {wanted} is not unique, give one of these ids:{names}")
    return found[0]
