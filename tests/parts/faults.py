"""What can go wrong around a build, and the plan of a seed: what goes wrong in which build, at which stage."""

from __future__ import annotations

import enum
import random
from collections.abc import Mapping

from attrs import frozen

from parts.checkpoint import CHILDLESS, KINDS, STAGES


class Fault(enum.Enum):
    """A fault."""

    CHILD_KILLED = "child KILL"
    CHILD_CRASHED = "child SEGV"
    PROGRAM_KILLED = "program KILL"
    NURSERY_KILLED = "nursery KILL"
    WORKER_KILLED = "worker KILL"
    WORKER_STOPPED = "worker TERM"
    GEARMAND_KILLED = "gearmand KILL"
    LINK_RESET = "link RST"
    LINK_SILENT = "link silent"
    LINK_HALF_OPEN = "link half open"


_OF_A_CHILD = (Fault.CHILD_KILLED, Fault.CHILD_CRASHED)
CHEAP = (Fault.CHILD_KILLED, Fault.CHILD_CRASHED, Fault.PROGRAM_KILLED, Fault.LINK_RESET, Fault.LINK_SILENT)
"""Those after which no process has to be started anew."""

_ANY = 0.25
"""How many of the strikes beyond the first of each are any of them, and not cheap ones."""


@frozen
class Strike:
    """A fault at a stage."""

    stage: str
    fault: Fault


STRIKES = tuple(
    Strike(stage, fault)
    for stage in STAGES
    for fault in Fault
    if not (stage in CHILDLESS and fault in _OF_A_CHILD)  # the child has ended by then
)
"""All that can be."""


@frozen
class Design:
    """Of every build by its number: its kind, and what strikes it if anything does. The same for the same seed."""

    kinds: tuple[str, ...]
    strikes: Mapping[int, Strike]


def design(seed: int, builds: int, share: float) -> Design:
    """Plan for so many builds: every strike once at least, then cheap ones until ``share`` of the builds have one."""
    chance = random.Random(seed)
    strikes = list(STRIKES)
    cheap = [strike for strike in STRIKES if strike.fault in CHEAP]
    while len(strikes) < share * builds:
        strikes.append(chance.choice(STRIKES if chance.random() < _ANY else cheap))
    chance.shuffle(strikes)
    struck = sorted(chance.sample(range(builds), len(strikes)))
    kinds = tuple(chance.choice(KINDS) for _ in range(builds))
    return Design(kinds, dict(zip(struck, strikes, strict=True)))
