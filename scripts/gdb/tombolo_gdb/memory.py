"""Reading what the library has left in memory, which may be corrupted: every loop is bounded, and errors are exceptions."""

import functools
import re

import gdb

MOST_LINKS = 1_000_000  # corrupted memory must not keep us for ever
LONGEST_TEXT = 300
READ_ERRORS = (gdb.error, OverflowError)


class Unreadable(gdb.error):
    """What was read makes no sense."""


def kernel_type(name):
    try:
        return gdb.lookup_type("tombolo::kernel::" + name)
    except gdb.error:
        raise gdb.GdbError(
            f"tombolo: no debug information for tombolo::kernel::{name}. The library carries it in run_registry.cpp, which "
            "CMake compiles with -g whatever the build type; has the program been stripped? Then load its debug file "
            "(symbol-file) first.") from None


def word(address):
    memory = gdb.selected_inferior().read_memory(int(address), 8)
    return int.from_bytes(bytes(memory), "little")


def pointer_in(smart):
    """What a unique_ptr or a shared_ptr points to: its first word in every standard library."""
    return word(smart.address)


def object_at(address, kind):
    return gdb.Value(int(address)).cast(kind.pointer()).dereference()


def text_at(address, length=LONGEST_TEXT):
    """At most `length` characters, and not beyond a null character."""
    address, text, memory = int(address), b"", gdb.selected_inferior()
    while address != 0 and len(text) < min(length, LONGEST_TEXT) and b"\0" not in text:
        # In small steps that cross no page: what lies behind the end may be unreadable.
        step = min(32, 32 - (address + len(text)) % 32, length - len(text))
        text += bytes(memory.read_memory(address + len(text), step))
    return text.partition(b"\0")[0].decode("utf-8", "replace")


@functools.lru_cache(maxsize=None)
def readable_type(mangled):
    if not re.fullmatch(r"[\w.$]+", mangled):
        raise Unreadable("a type without a name")
    shown = gdb.execute(f"demangle -l c++ -- _ZTI{mangled}", to_string=True).strip()
    return shown.removeprefix("typeinfo for ") if shown.startswith("typeinfo for ") else mangled


def std_string(value):
    if any(field.name == "_M_dataplus" for field in value.type.strip_typedefs().fields()):
        return text_at(value["_M_dataplus"]["_M_p"], int(value["_M_string_length"]))
    printer = gdb.default_visualizer(value)  # another standard library: its own printer, if it is loaded
    if printer is None:
        return ""
    shown = printer.to_string()
    return shown.string() if hasattr(shown, "string") else str(shown)


def offset_of_base(kind, base):
    for field in kind.strip_typedefs().fields():
        if not field.is_base_class:
            continue
        if field.type.strip_typedefs().name == base:
            return field.bitpos // 8
        deeper = offset_of_base(field.type, base)
        if deeper is not None:
            return field.bitpos // 8 + deeper
    return None


def elements(chain, kind):
    """The elements of an intrusive_list, as values of `kind`."""
    ends = chain["ends_"]
    hook = ends.type.strip_typedefs()
    offset = offset_of_base(kind, hook.name)
    if offset is None:
        raise Unreadable(f"{kind.name} has no {hook.name}")
    at = int(ends["next_"])
    for _ in range(MOST_LINKS):
        if at == int(ends.address):
            return
        if at == 0:
            raise Unreadable("a list ends in a null pointer")
        yield object_at(at - offset, kind)
        at = int(object_at(at, hook)["next_"])
    raise Unreadable("a list does not end")
