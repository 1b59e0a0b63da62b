"""Several statements that were sent in one query. The log tells them as one; the server counts each."""

from __future__ import annotations

import collections
from collections.abc import Collection, Mapping, Sequence

from attrs import evolve

from thcore.model import Statement
from thplugins_dbmigration.engines.postgresql_counts import Count, Counts, total
from thplugins_dbmigration.engines.postgresql_text import is_of_transaction, valueless
from thplugins_dbmigration.measure.postgresql import COUNTED, LOGGED

_BEGAN = "counted together from the times of those before it in the same query"
_WHOLE = "the log tells it of the whole query"
_FAILED = "the server keeps no counts of a statement that fails"


def split(
    whole: Statement, texts: Sequence[str], counts: Counts, elsewhere: Collection[int]
) -> tuple[Statement, ...] | None:
    """The statements ``texts`` of a query each by itself; those that are alike are one. None where the counts do not
    tell them from others: ``elsewhere`` are the numbers of those that came alone as well.

    Of a query that failed, the one that the server has not counted is the one that did.
    """
    known = _by_likeness(counts, elsewhere)
    seen: dict[str, list[str]] = collections.defaultdict(list)
    failed = None
    for text in texts:
        if is_of_transaction(text):  # others send them as well, and they cost next to nothing
            continue
        alike = valueless(text)
        if len(seen[alike]) == sum(count.calls for count in known.get(alike, ())):
            failed = text
            break
        seen[alike].append(text)
    told = {alike: known[alike] for alike, found in seen.items() if found}
    if (failed is None) == bool(whole.error) or any(
        sum(count.calls for count in found) != len(seen[alike]) for alike, found in told.items()
    ):
        return None
    statements, passed_s = [], 0.0
    for alike, found in told.items():
        wall_s = sum(count.wall_s for count in found)
        statements.append(
            evolve(
                whole,
                text=seen[alike][0],
                began_s=whole.began_s + passed_s,
                wall_s=wall_s,
                calls=len(seen[alike]),
                error="",
                counters={**total(found), **dict.fromkeys(LOGGED)},
                unknown={"began_s": _BEGAN, **dict.fromkeys(LOGGED, _WHOLE)},
            )
        )
        passed_s += wall_s
    if failed is not None:
        statements.append(_last(whole, failed, passed_s))
    return tuple(statements)


def _last(whole: Statement, text: str, passed_s: float) -> Statement:
    return evolve(
        whole,
        text=text,
        began_s=whole.began_s + passed_s,
        wall_s=max(0.0, whole.wall_s - passed_s),
        counters=dict.fromkeys((*COUNTED, *LOGGED)),
        unknown={"began_s": _BEGAN, **dict.fromkeys(COUNTED, _FAILED), **dict.fromkeys(LOGGED, _WHOLE)},
    )


def _by_likeness(counts: Counts, elsewhere: Collection[int]) -> Mapping[str, Sequence[Count]]:
    found: dict[str, list[Count]] = collections.defaultdict(list)
    for number, count in counts.all.items():
        if number not in elsewhere:
            found[valueless(count.text)].append(count)
    return found
