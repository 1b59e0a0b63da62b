"""Where on the disk a file system puts what is made."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
from pathlib import Path

_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602  # FS_IOC_GETFLAGS, FS_IOC_SETFLAGS
_TOP_OF_HIERARCHIES = 0x00020000  # FS_TOPDIR_FL


def scatter(directory: Path) -> None:
    """Have what is made in a directory from now on put far from each other, as ``chattr +T`` does. Where a file system
    knows nothing of that, nothing happens. Idempotent.

    ext4 puts a new directory near its parent, and for some minutes does not use the place of a removed file again, but
    looks at each such place anew for every file that is made near it (``recently_deleted`` in Linux' fs/ext4/ialloc.c).
    Where a tree of thousands of files is removed and the next one made beside it, that takes seconds of processor time.
    The worker does it where its workspaces are; a plugin may where it makes and drops large directories itself, in any
    process.
    """
    flags = array.array("i", [0, 0])  # the kernel writes an int, whatever the numbers say
    # A number that the machine does not know, a file system without flags, another account's directory.
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(descriptor, _GET_FLAGS, flags)
            if not flags[0] & _TOP_OF_HIERARCHIES:
                flags[0] |= _TOP_OF_HIERARCHIES
                fcntl.ioctl(descriptor, _SET_FLAGS, flags)
        finally:
            os.close(descriptor)
