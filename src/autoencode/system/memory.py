"""How much memory the machine has."""

from __future__ import annotations

import ctypes
import os
import sys


def total_memory() -> int:
    """Return the bytes of physical memory of this machine."""
    if sys.platform == "win32":
        return _total_on_windows()
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _total_on_windows() -> int:
    # MEMORYSTATUSEX of the Windows API: its size, the load, then seven numbers of 64 bits, of which
    # the first is the physical memory.
    class Status(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_uint32),
            ("load", ctypes.c_uint32),
            ("numbers", ctypes.c_uint64 * 7),
        ]

    status = Status()
    status.length = ctypes.sizeof(status)
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):  # pyright: ignore
        raise ctypes.WinError()  # pyright: ignore
    return status.numbers[0]
