"""Statements that are alike, told as one: a backfill row by row is one line of a report, not a hundred thousand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from attrs import define, evolve, field

from thcore.model import Statement

NEAR = 8
"""How many different ones may take turns, such as the SELECT, UPDATE and COMMIT of a loop."""
MOST = 500
"""How many statements of a step are told."""

Group = TypeVar("Group")


@define
class Gathering(Generic[Group]):
    """Puts statements that are alike and near each other into groups. ``all`` are these, in the order in which their
    first ones came."""

    all: list[Group] = field(factory=list)
    _near: dict[str, Group] = field(factory=dict)

    def group(self, likeness: str, begin: Callable[[], Group]) -> Group:
        """The one to which the next statement belongs: those of the same ``likeness`` may be together, one without is
        alone. ``begin`` makes a new one."""
        group = self._near.pop(likeness, None) if likeness else None
        if group is None:
            group = begin()
            self.all.append(group)
        if not likeness:
            self._near.clear()  # what comes after it is not what came before it
            return group
        self._near[likeness] = group
        if len(self._near) > NEAR:
            del self._near[next(iter(self._near))]
        return group


def in_order(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """The statements in the order in which they began. Of too many, the shortest that went well are put together, at
    the end."""
    told = sorted(statements, key=lambda each: each.began_s)
    if len(told) <= MOST:
        return tuple(told)
    ranked = sorted(range(len(told)), key=lambda each: (not told[each].error, -told[each].wall_s))
    kept = set(ranked[: MOST - 1])
    rest = [statement for place, statement in enumerate(told) if place not in kept]
    last = rest[0]
    for statement in rest[1:]:
        last = _together(last, statement)
    last = evolve(
        last,
        text=f"({last.calls} other statements, each shorter than those that are told)",
        error="",
        unknown={**last.unknown, "text": f"at most {MOST} statements of a step are told one by one"},
    )
    return (*(told[place] for place in sorted(kept)), last)


def _together(one: Statement, other: Statement) -> Statement:
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
