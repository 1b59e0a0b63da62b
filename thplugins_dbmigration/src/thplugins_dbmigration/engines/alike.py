"""Statements that are alike, told as one: a backfill row by row is one line of a report, not a hundred thousand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import evolve, frozen

from thcore.model import Statement

NEAR = 8
"""How many different ones may take turns, such as the SELECT, UPDATE and COMMIT of a loop."""
MOST = 500
"""How many statements of a step are told."""


@frozen
class Event:
    """A statement as it was run. Those of the same ``likeness`` may be told as one; one without is told alone.
    ``digest`` is what the server calls its text without the values, empty where it has no name for it."""

    statement: Statement
    likeness: str
    digest: str = ""


def folded(events: Iterable[Event]) -> tuple[Statement, ...]:
    """The statements in the order in which they began, those that are alike and near each other as one: the text is
    that of the first, times and counters are those of all. Of too many, the shortest that went well are put together,
    at the end."""
    told: list[Statement] = []
    near: dict[str, int] = {}
    for event in sorted(events, key=lambda each: each.statement.began_s):
        place = near.pop(event.likeness, None) if event.likeness else None
        if place is None:
            place = len(told)
            told.append(event.statement)
        else:
            told[place] = together(told[place], event.statement)
        if not event.likeness:
            near.clear()  # what comes after it is not what came before it
            continue
        near[event.likeness] = place
        if len(near) > NEAR:
            del near[next(iter(near))]
    return _at_most(told)


def together(one: Statement, other: Statement) -> Statement:
    """Both as one, which began when the first did."""
    return evolve(
        one,
        wall_s=one.wall_s + other.wall_s,
        calls=one.calls + other.calls,
        counters=_sums(one.counters, other.counters),
        unknown={**other.unknown, **one.unknown},
    )


def _sums(one: Mapping[str, int | None], other: Mapping[str, int | None]) -> dict[str, int | None]:
    sums: dict[str, int | None] = {}
    for name in {**one, **other}:
        first, second = one.get(name), other.get(name)
        sums[name] = first + second if first is not None and second is not None else None
    return sums


def _at_most(statements: list[Statement]) -> tuple[Statement, ...]:
    if len(statements) <= MOST:
        return tuple(statements)
    ranked = sorted(range(len(statements)), key=lambda each: (not statements[each].error, -statements[each].wall_s))
    kept = set(ranked[: MOST - 1])
    rest = [statement for place, statement in enumerate(statements) if place not in kept]
    last = rest[0]
    for statement in rest[1:]:
        last = together(last, statement)
    last = evolve(
        last,
        text=f"({last.calls} other statements, each shorter than those that are told)",
        error="",
        unknown={**last.unknown, "text": f"at most {MOST} statements of a step are told one by one"},
    )
    return (*(statements[place] for place in sorted(kept)), last)
