"""What a machine can fail its programs in."""

from __future__ import annotations

import enum
import errno
from collections.abc import Mapping


class Distress(enum.Enum):
    """It, in words."""

    FULL = "the disk is full"
    QUOTA = "the disk quota is used up"
    BROKEN = "the disk has errors"
    FILES = "too many files are open"
    MEMORY = "the server has no memory left"
    KILLED = "the program that ran it was killed"


NUMBERS: Mapping[int, Distress] = {
    errno.ENOSPC: Distress.FULL,
    errno.EDQUOT: Distress.QUOTA,
    errno.EIO: Distress.BROKEN,
    errno.EMFILE: Distress.FILES,
    errno.ENFILE: Distress.FILES,
    errno.ENOMEM: Distress.MEMORY,
}
"""By the numbers that the system has for it."""
