"""The layout of a packed store: one file of uint8 rows, read through a memory map, so that a set
may exceed memory.

A head of 64 bytes (magic, version), the training images, the test images, their labels as int32,
their names as lines of UTF-8 where they have any, a footer of JSON, and a tail of 32 bytes (length
and checksum of the footer, end mark). The footer holds the shape, the counts, the length of the
names and a CRC-32 of every block of what stands before it: a damaged byte anywhere is found when
the store is opened. Version 1 had no names.

A store is packed by one process at a time, which holds a lock on FILE.lock meanwhile. It has its
name when it is whole.
"""

from __future__ import annotations

import struct

MAGIC = b"autoencode-store"
END = b"store-ends-here\n"
VERSION = 2
HEAD = struct.Struct("<16sI44x")
TAIL = struct.Struct("<QI4x16s")
# Bytes under one checksum.
BLOCK = 2**23
