"""Why a step failed: the rows that its statement cannot do with, what the server said, and the line it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from attrs import frozen

from thcore.errors import InfrastructureError
from thcore.model import Measurement, Offence, Statement
from thplugins_dbmigration import offences
from thplugins_dbmigration.engines.inquiry import is_rollback, with_begin
from thplugins_dbmigration.offences import Confidential, Failed
from thplugins_dbmigration.schema import Schema
from thplugins_dbmigration.tools.tool import Stop
from thplugins_dbmigration.walk.ground import Ground
from thplugins_dbmigration.walk.leftovers import leftovers
from thplugins_dbmigration.walk.model import declaration

LONGEST = 2000
"""Characters of a line of evidence."""
_LATE = re.compile(r"25P02\b")
"""What PostgreSQL says to all that comes after a statement that failed."""


@frozen
class Reason:
    """``lines`` say it to people; ``line`` counts in the step's file."""

    offences: tuple[Offence, ...] = ()
    lines: tuple[str, ...] = ()
    line: int | None = None


def reason(
    stop: Stop,
    measurement: Measurement | None,
    ground: Ground,
    confidential: Confidential,
    checkout: Path,
    before: Schema | None = None,
) -> Reason:
    """Ask the server on which a step has failed, while it still runs. ``before`` is the schema before the step, None
    where it is not known."""
    statements = measurement.statements if measurement is not None else ()
    explanations = (
        offences.explain(ground.server, ground.address, failed, confidential) for failed in _asked(stop, statements)
    )
    found = next(filter(None, explanations), ())
    lines = [
        line[:LONGEST] for explained in found for line in (*explained.lines(), *_declared(explained.offence, checkout))
    ]
    path = stop.failed.path if stop.failed is not None else None
    return Reason(
        tuple(explained.offence for explained in found),
        (*_said(stop, statements), *lines, *_left(ground, before)),
        stop.line or _line(path, (stop.message, *stop.evidence)),
    )


def _left(ground: Ground, before: Schema | None) -> Iterator[str]:
    if before is None:
        return
    try:
        after = ground.server.schema(ground.address)
    except InfrastructureError as error:
        yield f"What the step has left behind in the schema is not known: {error}"
    else:
        yield from (line[:LONGEST] for line in leftovers(before, after))


def _asked(stop: Stop, statements: Sequence[Statement]) -> Iterator[Failed]:
    """The failed statement as the server saw it, then as the tool did."""
    place = _failed(statements)
    if place is not None:
        failed = statements[place]
        yield Failed(failed.text, failed.error, _repeatable(statements, place))
    if stop.error:
        yield Failed(stop.statement, stop.error)


def _failed(statements: Sequence[Statement]) -> int | None:
    """The place of the statement that failed last. Some fail on purpose, to see whether a table is there."""
    places = (
        place for place, statement in enumerate(statements) if statement.error and not _LATE.match(statement.error)
    )
    return max(places, default=None)


def _repeatable(statements: Sequence[Statement], place: int) -> tuple[str, ...]:
    """The statements before one, unless only a part is known of some."""
    earlier = statements[:place]
    if any("text" in statement.unknown for statement in earlier):
        return ()
    texts = [text for each in earlier if not each.error for text in [each.text] * each.calls]
    rolled_back = any(is_rollback(statement.text) for statement in statements[place + 1 : place + 2])
    return with_begin(texts) if rolled_back else tuple(texts)


def _said(stop: Stop, statements: Sequence[Statement]) -> tuple[str, ...]:
    """What the server said, where the tool does not tell."""
    place = _failed(statements)
    if stop.statement or place is None:
        return ()
    failed = statements[place]
    words = (f"The server's answer: {failed.error}", f"statement: {failed.text}")
    return tuple(" ".join(line.split())[:LONGEST] for line in words)


def _declared(offence: Offence, checkout: Path) -> tuple[str, ...]:
    found = declaration(checkout, offence.table, offence.columns)
    return () if found is None else (f"{found.path}, line {found.line}: {found.text}",)


def _line(path: str | None, said: Iterable[str]) -> int | None:
    """The line of a step's file that a program's output names last: Python's tracebacks, and clients that run SQL."""
    if path is None:
        return None
    name = re.escape(path.rpartition("/")[2])
    patterns = [rf'File "(?:[^"]*/)?{name}", line (\d+)', rf"(?:^|[\s/:]){name}:(\d+): ERROR"]
    if path.endswith(".sql"):
        patterns.append(r"^ERROR \d+ \(\w+\) at line (\d+)")
    numbers = [int(found[1]) for line in said for pattern in patterns if (found := re.search(pattern, line))]
    return numbers[-1] if numbers else None
