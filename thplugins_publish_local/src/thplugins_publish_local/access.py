"""Who may read what is published: modes, owner and group of files and directories."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable

from attrs import frozen

from thcore.errors import InfrastructureError

_KEPT = -1  # for fchown


@frozen
class Access:
    """Modes as numbers; owner and group as names or numbers, None for those of the worker's process."""

    file_mode: int = 0o644
    directory_mode: int = 0o755
    owner: str | None = None
    group: str | None = None

    def give_file(self, descriptor: int) -> None:
        """Set them on an open file, whatever the umask. Raises OSError when the worker may not, InfrastructureError
        when there is no such owner or group."""
        self._give(descriptor, self.file_mode)

    def give_directory(self, descriptor: int) -> None:
        """Set them on an open directory. Raises as ``give_file``."""
        self._give(descriptor, self.directory_mode)

    def _give(self, descriptor: int, mode: int) -> None:
        if self.owner is not None or self.group is not None:
            user = _number(self.owner, lambda name: pwd.getpwnam(name).pw_uid, "user")
            group = _number(self.group, lambda name: grp.getgrnam(name).gr_gid, "group")
            os.fchown(descriptor, user, group)
        os.fchmod(descriptor, mode)  # after the change of owner, which takes bits away


EVERYBODY = Access()


def mode(text: str) -> int:
    """The number that a mode such as ``0640`` stands for. Raises ValueError."""
    if not (3 <= len(text) <= 4 and all(digit in "01234567" for digit in text)):
        raise ValueError(f"{text!r} is no mode; write three or four octal digits in quotes, such as '0644'")
    return int(text, 8)


def _number(name: str | None, look_up: Callable[[str], int], what: str) -> int:
    if name is None:
        return _KEPT
    if name.isdecimal():
        return int(name)
    try:
        return look_up(name)
    except KeyError:
        raise InfrastructureError(f"this machine has no {what} {name}", code="publish-failed") from None
