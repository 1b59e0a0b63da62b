"""Names in a project's policy that are nobody's: a limit on a table that is nowhere is never exceeded."""

from __future__ import annotations

import datetime
import difflib
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from thcore.model import Finding, Location, Severity, StepResult
from thplugins_dbmigration.policy.file import FILE, AllowedLoss, Policy, Waiver
from thplugins_dbmigration.walk.inventory import Inventory, with_files
from thplugins_dbmigration.walk.model import declared

MOST = 20
"""Names that are told; of what more there are, only the number is."""
LOOKED_AT = 200
"""Names that are looked for in the checkout."""
LONGEST = 200
"""Characters of a name that are looked at."""
NEAR = 3
"""Names that are offered for one."""
SURELY = 0.85
"""How like a known name that of an exception's step must be to be told (1 is equal)."""
Dated = Mapping[str, Waiver | AllowedLoss]


@frozen
class Stray:
    """A name that is not known, under a key of the file. ``kind`` is ``table``, ``column`` or ``step``; ``known`` are
    the names that it may have been meant for: those that are like it, by ``cutoff`` (1 is equal)."""

    key: str
    kind: str
    name: str
    known: Collection[str]
    of: str = ""
    cutoff: float = 0.6

    @property
    def near(self) -> tuple[str, ...]:
        """The known names that it is like, whatever the case of letters, the most alike first."""
        folded: dict[str, str] = {name.lower(): name for name in sorted(self.known)}
        name = self.name[:LONGEST].lower()
        return tuple(folded[near] for near in difflib.get_close_matches(name, folded, NEAR, self.cutoff))

    def __str__(self) -> str:
        name, key = self.name[:LONGEST], self.key[:LONGEST]
        what = {
            "table": f"no dataset of this job has a table {name}",
            "column": f"{self.of} has no column {name} on any dataset of this job",
            "step": f"no dataset of this job is taken through a step {name}",
        }[self.kind]
        near = f"; did you mean {' or '.join(self.near)}?" if self.near else ""
        return f"dbmigration.{key}: {what}{near}"


def strays(
    policy: Policy, there: Inventory, results: Sequence[StepResult], checkout: Path, today: datetime.date
) -> tuple[Finding, ...]:
    """What is to be said of names in the policy. ``results`` are those of the steps that ``there`` has. Nothing of
    what has expired, or is about a step that the target branch has already: a table may have gone with it."""
    dated = _dated(policy)
    asked = sorted({*policy.steps, *(each.step for each in dated.values())} - there.steps)
    # Those that nobody looks for may well be older, too.
    older = with_files(checkout, results, asked[:LOOKED_AT]).union(asked[LOOKED_AT:])
    past = there.settled | older
    lasting = {key: each for key, each in dated.items() if today <= each.expires and each.step not in past}
    tables = [*_tables(policy, lasting, there)][:LOOKED_AT]
    elsewhere = declared(checkout, (stray.name for stray in tables))
    found = [
        *(stray for stray in tables if stray.name not in elsewhere),
        *_columns(lasting, there),
        *itertools.islice(_steps(policy, lasting, there.steps, older), LOOKED_AT),
    ]
    return (_finding(found),) if found else ()


def _dated(policy: Policy) -> Dated:
    """What the policy lets a step do until some day, by key."""
    exceptions = {f"exceptions[{number}]": each for number, each in enumerate(policy.exceptions)}
    return {**exceptions, **{f"allowed_losses[{number}]": each for number, each in enumerate(policy.allowed_losses)}}


def _tables(policy: Policy, lasting: Dated, there: Inventory) -> Iterator[Stray]:
    named = [
        *((f"tables.{table}", table) for table in policy.tables),
        *((f"small_tables[{number}]", table) for number, table in enumerate(policy.small_tables)),
        *((f"{key}.table", each.table) for key, each in lasting.items() if each.table),
    ]
    return (Stray(key, "table", name, there.tables.keys()) for key, name in named if name not in there.tables)


def _columns(lasting: Dated, there: Inventory) -> Iterator[Stray]:
    for key, each in lasting.items():
        columns = there.tables.get(each.table)
        if columns and isinstance(each, AllowedLoss) and each.column not in {"", "*", *columns}:
            yield Stray(f"{key}.column", "column", each.column, columns, each.table)


def _steps(policy: Policy, lasting: Dated, known: Collection[str], older: Collection[str]) -> Iterator[Stray]:
    for name in policy.steps:
        if name not in known and name not in older:
            yield Stray(f"steps.{name}", "step", name, known)
    for key, each in lasting.items():
        stray = Stray(f"{key}.step", "step", each.step, known, cutoff=SURELY)
        if each.step not in known and stray.near:  # else it is merged before its migration, as it should be
            yield stray


def _finding(found: Sequence[Stray]) -> Finding:
    told = [str(stray) for stray in found[:MOST]]  # it takes long to look for names that are like them
    more = f" ({len(found) - 1} more in the evidence)" if len(found) > 1 else ""
    left = len(found) - MOST
    return Finding(
        "policy-name-unknown",
        Severity.WARNING,
        f"{FILE}: {told[0]}{more}",
        Location(FILE),
        (*told, *([f"and {left} more"] if left > 0 else [])),
        "What is said of such a name is never used: a limit on it is never exceeded, a loss of it is not allowed. "
        "Where it belongs to a migration that is still to come, or to datasets of another job, nothing is to be done.",
    )
