"""The size of the machine's memory, beside psutil's, and as Windows answers it."""

import ctypes
import sys
from types import SimpleNamespace

import pytest

from autoencode.system import memory

psutil = pytest.importorskip("psutil", reason="needs psutil: pip install 'autoencode[test-all]'")


def test_it_is_what_psutil_finds():
    assert memory.total_memory() == psutil.virtual_memory().total


def test_windows_is_asked_in_its_own_way(monkeypatch):
    def answer(pointer):
        status = pointer._obj
        assert status.length == ctypes.sizeof(status) == 64
        status.load = 40
        status.numbers[:] = [16_000_000_000, 9, 8, 7, 6, 5, 4]
        return 1

    kernel = SimpleNamespace(GlobalMemoryStatusEx=answer)
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    assert memory.total_memory() == 16_000_000_000
