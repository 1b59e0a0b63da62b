"""``.thcore.yaml``: its keys, and everything that can be wrong with it. It comes from a project, and is not trusted."""

from __future__ import annotations

import datetime
import difflib
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import Factory, frozen
from cattrs import Converter

from thcore.model import Excuse, Limit, Loss, Step
from thplugins_dbmigration.limits.figures import BY_TABLE, WAITS, known
from thplugins_dbmigration.policy.plain_yaml import load
from thplugins_dbmigration.reader import problems, strict
from thplugins_dbmigration.step_names import names

FILE = ".thcore.yaml"
LARGEST = 64 * 1024
"""How many bytes of it are read."""
Numbers = Mapping[str, float]


@frozen
class Waiver:
    """A limit that a step may go above: of a counter, on one table or on any, up to ``maximum`` or as far as it likes.
    ``expires`` is its last day."""

    step: str
    counter: str
    reason: str
    owner: str
    expires: datetime.date
    table: str = ""
    maximum: float | None = None

    @property
    def excuse(self) -> Excuse:
        """It in words."""
        return Excuse(self.reason, self.owner, self.expires.isoformat())


@frozen
class AllowedLoss:
    """What a step may leave less of: rows of a table, or values of a column (``*``: of any). ``expires`` is its last
    day."""

    step: str
    table: str
    reason: str
    owner: str
    expires: datetime.date
    column: str = ""


@frozen
class Policy:
    """What a project says of its migrations. ``steps`` and ``tables`` have limits of their own by counter; steps are
    named as in a dataset's config.json. ``small_tables`` never grow large: what is done to them does not count."""

    limits: Numbers = Factory(dict)
    steps: Mapping[str, Numbers] = Factory(dict)
    tables: Mapping[str, Numbers] = Factory(dict)
    small_tables: tuple[str, ...] = ()
    exceptions: tuple[Waiver, ...] = ()
    allowed_losses: tuple[AllowedLoss, ...] = ()

    @property
    def important(self) -> tuple[str, ...]:
        """The tables that it has limits for: those for which somebody may have to wait first."""
        return tuple(sorted(self.tables, key=lambda table: not self.tables[table].keys() & WAITS.keys()))

    def limits_of(self, step: Step) -> Iterator[Limit]:
        """Those that the project gives one step."""
        for key in names(step):
            for counter, maximum in self.steps.get(key, {}).items():
                yield Limit(counter, maximum, f"{FILE}: steps.{key}.{counter}")

    def limits_of_tables(self) -> Iterator[Limit]:
        """Those that it gives single tables, in whatever step."""
        for table, numbers in self.tables.items():
            for counter, maximum in numbers.items():
                yield Limit(counter, maximum, f"{FILE}: tables.{table}.{counter}", table)

    def limits_of_all(self) -> Iterator[Limit]:
        """Those that it gives all steps."""
        for counter, maximum in self.limits.items():
            yield Limit(counter, maximum, f"{FILE}: limits.{counter}")

    def excuse(self, step: Step, counter: str, table: str, value: float, today: datetime.date) -> Excuse | None:
        """Why a step may come to this value of a counter, on a table where it is of one. None where nothing says so."""
        meant = names(step)
        for waiver in self.exceptions:
            fits = waiver.counter == counter and waiver.step in meant and waiver.table in {"", table}
            if fits and (waiver.maximum is None or value <= waiver.maximum) and today <= waiver.expires:
                return waiver.excuse
        return None

    def allows(self, step: Step, loss: Loss, today: datetime.date) -> AllowedLoss | None:
        """What says that a step may lose this. None where nothing does, or only what has expired."""
        keys, column = names(step), loss.column or ""
        valid = (each for each in self.allowed_losses if today <= each.expires)
        meant = (each for each in valid if each.step in keys and each.table == loss.table)
        return next((each for each in meant if each.column == column or (each.column == "*" and column)), None)


@frozen
class PolicyFile:
    """The whole file. Each part of it belongs to a plugin."""

    dbmigration: Policy = Factory(Policy)


def parse(text: str) -> Policy | tuple[str, ...]:
    """Structure the content of the file, or answer all problems that it has."""
    try:
        tree = load(text.encode("utf-8", "surrogateescape"), LARGEST)
    except ValueError as error:
        return (str(error),)
    try:
        written = _converter.structure({} if tree in (None, "") else tree, PolicyFile)
    except Exception as error:  # noqa: BLE001 - cattrs raises exception groups of any kind
        return tuple(problems(error))
    return tuple(f"dbmigration.{problem}" for problem in _wrong(written.dbmigration)) or written.dbmigration


def to_plain(policy: Policy) -> dict[str, Any]:
    """The policy as JSON can hold it."""
    made: dict[str, Any] = _converter.unstructure(policy)
    return made


def from_plain(data: Mapping[str, Any]) -> Policy:
    """Back from ``to_plain``."""
    return _converter.structure(data, Policy)


def _wrong(policy: Policy) -> Iterator[str]:
    for where, numbers, counters in _numbers(policy):
        for counter in numbers:
            yield from (f"{where}.{problem}" for problem in _wrong_name(counter, counters))
    for number, waiver in enumerate(policy.exceptions):
        where = f"exceptions[{number}]"
        yield from (f"{where}.counter: {problem}" for problem in _wrong_name(waiver.counter, known()))
        for key in ("reason", "owner", "step"):
            if not getattr(waiver, key).strip():
                yield f"{where}.{key}: is empty; say it"
    for number, loss in enumerate(policy.allowed_losses):
        for key in ("reason", "owner", "step"):
            if not getattr(loss, key).strip():
                yield f"allowed_losses[{number}].{key}: is empty; say it"


def _numbers(policy: Policy) -> Iterator[tuple[str, Numbers, frozenset[str]]]:
    yield "limits", policy.limits, known()
    for key, numbers in policy.steps.items():
        yield f"steps.{key}", numbers, known()
    for key, numbers in policy.tables.items():
        yield f"tables.{key}", numbers, BY_TABLE


def _wrong_name(counter: str, names: frozenset[str]) -> Iterator[str]:
    if counter in names:
        return
    near = difflib.get_close_matches(counter, sorted(names), 1)
    if counter in known():
        yield f"{counter}: cannot be told of one table; these can: {', '.join(sorted(names))}"
    elif near:
        yield f"{counter}: there is no such counter; did you mean {near[0]}?"
    else:
        yield f"{counter}: there is no such counter"


def _number(value: Any, _type: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"must be a number, not {value!r}") from None
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"must be 0 or more, not {value}")
    return number


def _date(value: Any, _type: Any) -> datetime.date:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        raise TypeError(f"must be a date such as 2027-03-31, not {value!r}")
    return datetime.date.fromisoformat(value)


def _made_converter() -> Converter:
    converter = strict()
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(datetime.date, _date)
    converter.register_unstructure_hook(datetime.date, datetime.date.isoformat)
    return converter


_converter = _made_converter()
