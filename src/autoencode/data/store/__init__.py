"""The packed store: one file of uint8 rows that training reads through a memory map.

See `format`.
"""

from autoencode.data.store.format import BLOCK, END, HEAD, MAGIC, TAIL, VERSION
from autoencode.data.store.locking import WAITING, lock_store
from autoencode.data.store.reading import Names, is_store, open_store
from autoencode.data.store.writing import JOURNAL_SECONDS, Contents, Finished, Writer

__all__ = [
    "BLOCK",
    "END",
    "HEAD",
    "JOURNAL_SECONDS",
    "MAGIC",
    "TAIL",
    "VERSION",
    "WAITING",
    "Contents",
    "Finished",
    "Names",
    "Writer",
    "is_store",
    "lock_store",
    "open_store",
]
