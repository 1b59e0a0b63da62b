"""What the observer in the project's interpreter tells of an SQLite file. The project can write there what it likes, so
that nothing in it is taken on trust."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import cattrs
from attrs import field, frozen
from attrs.validators import and_, deep_mapping, ge, in_, le, max_len

from thcore.model import Statement
from thplugins_dbmigration.measure.sqlite import OBSERVED

SUFFIX = "-observed"
"""What the name of its file has after the database's. It is there between two steps only."""
LARGEST = 4 * 1024 * 1024
"""Bytes of it."""
MOST = 1000
"""Statements in it."""
LONGEST = 2000
"""Characters of a statement, an error or a reason."""
CUT = f"the observer keeps the first {LONGEST} characters of it"
UNOBSERVED = (
    "SQLite tells nobody but the program that runs it; the gate sees what a Python program under its observer does "
    "through the module sqlite3, when the step has ended"
)
UNCOUNTED = "the project's SQLite does not count them"

_number = and_(ge(0), le(2**63 - 1))
_seconds = and_(ge(0), le(10**9))
_text: Callable[..., None] = max_len(LONGEST)


def _readable(text: str) -> str:
    """JSON can hold halves of characters, which no file takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


@frozen
class Told:
    """A statement, or several that are alike. ``began`` is on the system's monotonic clock."""

    text: str = field(converter=_readable, validator=_text)
    began: float = field(validator=_seconds)
    wall_s: float = field(validator=_seconds)
    calls: int = field(validator=_number)
    error: str = field(converter=_readable, validator=_text)
    rows_changed: int = field(validator=_number)
    vm_steps: int = field(validator=_number)


@frozen
class Observed:
    """What was done until the last step had ended, and by that step, which began at ``began``. ``counters`` are totals.
    ``unknown`` says why some are not told."""

    began: float = field(validator=_seconds)
    counters: Mapping[str, int] = field(validator=deep_mapping(in_(OBSERVED), _number))
    unknown: Mapping[str, str] = field(validator=deep_mapping(in_((*OBSERVED, "pages")), _text))
    statements: tuple[Told, ...] = field(validator=max_len(MOST))

    def totals(self) -> dict[str, int | None]:
        """The counters; those that it cannot tell are None."""
        reasons = self.reasons()
        return {name: None if name in reasons else self.counters[name] for name in OBSERVED}

    def reasons(self) -> dict[str, str]:
        """Why counters are None."""
        return {
            name: _readable(self.unknown.get(name) or self.unknown.get("pages") or UNCOUNTED)
            for name in OBSERVED
            if name in self.unknown or name not in self.counters
        }

    def told(self, since_s: float) -> tuple[Statement, ...]:
        """Those of the last step. ``since_s`` is what the time of each is counted from."""
        reasons = self.reasons()
        uncounted = {"vm_steps": reasons["vm_steps"]} if "vm_steps" in reasons else {}
        return tuple(
            Statement(
                each.text,
                max(0.0, each.began - since_s),
                each.wall_s,
                each.calls,
                each.error,
                {"rows_changed": each.rows_changed, "vm_steps": None if uncounted else each.vm_steps},
                uncounted if len(each.text) < LONGEST else {**uncounted, "text": CUT},
            )
            for each in self.statements
        )


def observed(database: Path) -> Observed | None:
    """What stands beside a database, None where nothing does that can be used."""
    try:
        # It may be anything by now: a pipe would have no end, a link may lead anywhere.
        number = os.open(f"{database}{SUFFIX}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(number, "rb") as stream:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                return None
            content = stream.read(LARGEST + 1)
        return cattrs.structure(json.loads(content), Observed) if len(content) <= LARGEST else None
    except Exception:  # noqa: BLE001 - cattrs raises exception groups of any kind; whatever it is, nothing is told
        return None
