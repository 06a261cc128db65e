"""A core of a live process that has the stacks of its tasks in it.

Linux 6.13 and later let a program guard single pages of a mapping (MADV_GUARD_INSTALL), as tombolo guards its stacks. The
generate-core-file of older gdbs (13 is one) gives up the rest of a mapping at the first page that it cannot read, which
drops nearly all stacks. Cores that the kernel writes are complete.
"""

import re
import struct

import gdb

PAGE = 4096
CHUNK = 256 * PAGE


def write_core(path):
    """Returns what gdb said, and how many bytes had to be added."""
    said = gdb.execute(f"generate-core-file {path}", to_string=True)
    added = 0
    broken = [int(at, 16) for at in re.findall(r"Memory read failed for corefile section, \d+ bytes at (0x[0-9a-f]+)", said)]
    with open(path, "r+b") as core:
        segments = list(load_segments(core))
        for address in broken:
            for start, size, offset in segments:
                if start <= address < start + size:
                    added += copy(core, address, start + size, offset + address - start)
    kept = [line for line in said.splitlines() if "Memory read failed" not in line and line]
    return "\n".join(kept), added


def load_segments(core):
    header = core.read(64)
    if header[:5] != b"\x7fELF\x02":
        raise gdb.GdbError("tombolo: gdb wrote a core that is no 64-bit ELF file; it stays as it is.")
    table, sections = struct.unpack_from("<QQ", header, 32)
    entry_size, entries = struct.unpack_from("<HH", header, 54)
    if entries == 0xFFFF:  # too many for the header: the first section header has the number
        core.seek(sections)
        entries = struct.unpack_from("<I", core.read(64), 44)[0]
    for index in range(entries):
        core.seek(table + index * entry_size)
        kind, _, offset, start, _, size = struct.unpack("<IIQQQQ", core.read(40))
        if kind == 1:  # PT_LOAD
            yield start, size, offset


def copy(core, start, end, offset):
    """Writes the readable pages of a range to the core; guards are unreadable and stay zero."""
    added = 0
    while start < end:
        for size in (min(CHUNK, end - start), PAGE):
            try:
                memory = bytes(gdb.selected_inferior().read_memory(start, size))
            except gdb.error:
                continue
            if memory.strip(b"\0"):
                core.seek(offset)
                core.write(memory)
                added += size
            break
        start += size
        offset += size
    return added
