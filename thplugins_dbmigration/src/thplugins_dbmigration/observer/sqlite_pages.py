"""The pages that a connection of ``sqlite3`` has had to do with. SQLite counts them, but Python does not ask for them.

It takes the address of SQLite's own connection out of Python's, where all versions of CPython that are known here have
it in the same place, and calls the library that the module ``sqlite3`` was linked with.
"""

import platform
import sys
from typing import Any, Callable, Dict, Optional

UNKNOWN = "SQLite's library cannot be asked in this Python"
NAMES = {"page_hits": 7, "page_misses": 8, "pages_written": 9, "pages_spilled": 12}
"""The counters by SQLite's numbers for them: ``SQLITE_DBSTATUS_CACHE_HIT``, ``_MISS``, ``_WRITE``, ``_SPILL``."""

Ask = Callable[[Any], Optional[Dict[str, int]]]


def find() -> Optional[Ask]:
    """What tells the counters of a connection since it was opened, None for one that is closed. None where SQLite
    cannot be asked."""
    if platform.python_implementation() != "CPython" or sys.version_info >= (3, 15):
        return None
    try:
        import _sqlite3
        import ctypes

        library = ctypes.CDLL(_sqlite3.__file__)
        library.sqlite3_libversion.restype = ctypes.c_char_p
        if library.sqlite3_libversion().decode() != _sqlite3.sqlite_version:
            return None
        status = library.sqlite3_db_status
    except (AttributeError, ImportError, OSError):  # it may be built into the interpreter, with its names hidden
        return None
    now, highest = ctypes.c_int(), ctypes.c_int()
    status.argtypes = [
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.POINTER(ctypes.c_int),
        ctypes.POINTER(ctypes.c_int),
        ctypes.c_int,
    ]

    def ask(connection: Any) -> Optional[Dict[str, int]]:
        # struct pysqlite_Connection { PyObject_HEAD; sqlite3 *db; ... }
        place = ctypes.c_void_p.from_address(id(connection) + object.__basicsize__).value
        if not place:
            return None
        counted = {}
        for name, number in NAMES.items():
            if status(place, number, now, highest, 0) == 0:  # an older SQLite does not know them all
                counted[name] = now.value
        return counted

    return ask
