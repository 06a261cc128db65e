"""Showing gdb a suspended task as if it were the caller of the selected thread's newest frame."""

import gdb
from gdb.unwinder import Unwinder, register_unwinder

from .memory import word


def saved_registers(task):
    """What the switch away from a task has saved, by the names that gdb gives to registers. See fibers/context/fiber.hpp."""
    context = task.state["fiber"]["context"]
    arm = gdb.newest_frame().architecture().name().startswith("aarch64")
    if any(field.name == "handle" for field in context.type.fields()):
        return saved_by_boost(int(context["handle"]), arm)
    names = ("pc", "sp", "x29") if arm else ("rip", "rsp", "rbp")
    return dict(zip(names, (int(context[field]) for field in ("resume_at", "stack_pointer", "frame_pointer"))))


def saved_by_boost(handle, arm):
    """What jump_fcontext pushes; the handle points to the lowest word of it."""
    if arm:
        saved = {f"x{19 + i}": word(handle + 0x40 + 8 * i) for i in range(11)}  # x29 is the last
        return {**saved, "pc": word(handle + 0xA0), "sp": handle + 0xB0}
    # Newer versions of Boost keep a stack guard too: the function's first instruction, lea -size(%rsp), tells.
    try:
        code = bytes(gdb.selected_inferior().read_memory(int(gdb.parse_and_eval("(long) &jump_fcontext")), 16))
    except gdb.error:
        code = b""
    lea = code.find(b"\x48\x8d\x64\x24")
    size = 256 - code[lea + 4] if 0 <= lea < 11 else 0x40
    saved = {name: word(handle + size - 0x30 + 8 * i) for i, name in enumerate(("r12", "r13", "r14", "r15", "rbx", "rbp"))}
    return {**saved, "rip": word(handle + size), "rsp": handle + size + 8}


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class SuspendedTask(Unwinder):
    """While `registers` is set, the caller of a thread's newest frame is the place where a task was suspended. This is how
    gdb can be shown a task without changing a register, which a core would not allow and a dying gdb not undo."""

    def __init__(self):
        super().__init__("tombolo suspended task")
        self.registers = None

    def __call__(self, pending):
        if not self.registers or pending.level() != 0:
            return None
        values = {
            name: gdb.Value(value).cast(gdb.lookup_type("unsigned long")).cast(pending.read_register(name).type)
            for name, value in self.registers.items()}
        stack, code = ("sp", "pc") if "sp" in values else ("rsp", "rip")
        # The newest frame passes for a callee on the task's own stack; otherwise gdb would suspect a corrupted one.
        pretended = gdb.Value(self.registers[stack] - 16).cast(values[stack].type)
        unwound = pending.create_unwind_info(FrameId(pretended, values[code]))
        for name, value in values.items():
            unwound.add_saved_register(name, value)
        return unwound

    def show(self, registers):
        self.registers = registers
        gdb.invalidate_cached_frames()


suspended_task = SuspendedTask()
register_unwinder(None, suspended_task, replace=True)
gdb.events.cont.connect(lambda _: suspended_task.show(None) if suspended_task.registers else None)


class past_main:
    """The thread's newest frame may be main, which is where gdb stops by default."""

    def __enter__(self):
        self.before = {name: gdb.parameter("backtrace " + name) for name in ("past-main", "past-entry")}
        for name in self.before:
            gdb.execute(f"set backtrace {name} on")

    def __exit__(self, *_):
        for name, value in self.before.items():
            gdb.execute(f"set backtrace {name} {'on' if value else 'off'}")
