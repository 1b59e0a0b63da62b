"""What the kernel's out-of-memory killer has done so far."""

from __future__ import annotations

import contextlib
from pathlib import Path

from attrs import frozen

from thcore.model import OomKills
from thcore.process import cgroups

_MACHINE = Path("/proc/vmstat")


@frozen
class Toll:
    """How many processes were killed up to now: in the control group of this process's build, and on the whole machine.
    None where nobody counts them."""

    own: int | None
    machine: int | None

    @classmethod
    def now(cls) -> Toll:
        """Read the counts."""
        group = cgroups.current()
        own = group.oom_kills() if group is not None and group.of_one_child else None
        return cls(own, _machine())

    def since(self) -> OomKills | None:
        """Who was killed since then; None when that is not known.

        A build's own control group counts its processes alone. Without that there is the machine's count, in which the
        processes of others are as well.
        """
        now = Toll.now()
        if self.own is not None and now.own is not None:
            return OomKills(now.own - self.own, own=True)
        if self.machine is not None and now.machine is not None:
            return OomKills(now.machine - self.machine, own=False)
        return None


def _machine() -> int | None:
    with contextlib.suppress(OSError):
        for line in _MACHINE.read_text("ascii").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return None
