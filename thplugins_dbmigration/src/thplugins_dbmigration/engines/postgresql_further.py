"""Statements of which the log of a PostgreSQL server tells nothing, or not how they ended, since there were too many:
what the server has counted of them."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping, Sequence

from thcore.model import Statement
from thplugins_dbmigration.engines.postgresql_counts import Count, Counts, total
from thplugins_dbmigration.engines.postgresql_groups import NOT_EACH, TELL_COUNTS, Group, Groups
from thplugins_dbmigration.engines.postgresql_noting import Extent
from thplugins_dbmigration.engines.postgresql_text import likeness, valueless
from thplugins_dbmigration.measure.postgresql import COUNTED, LOGGED

NOT_LISTED = "(further statements, too many to be listed)"
_ELSEWHERE = "it was run elsewhere in this step as well, and the server counts all runs together"
_VALUES = "the server keeps no values of so many statements"
_AFTER = "after the first of the step: of so many, the server does not note when each began"
_NOBODY = "there were too many statements for the server to note or to count each"
_Alike = Mapping[str, Sequence[Group]]


def further(groups: Groups, counts: Counts, extent: Extent, since: float) -> tuple[Statement, ...]:
    """The statements that are in no group. What is like a single group is added to that, and what the log only has the
    beginning of is given its end. ``counts`` are those of the step, which began at ``since``."""
    if extent.brief is None:
        return ()
    statements = tuple(_counted(groups, counts, extent.brief - since))
    if extent.over is None and not counts.lost:
        return statements
    return (*statements, _not_listed((extent.over or extent.brief) - since))


def _counted(groups: Groups, counts: Counts, began_s: float) -> Iterator[Statement]:
    listed = {valueless(text) for group in groups.all if len(group.texts) > 1 for text in group.texts}
    begun, alike = _begun(groups), _alike(groups)
    for number, count in counts.all.items():
        calls, text = count.calls - groups.calls[number], valueless(count.text)
        if calls <= 0 or count.text == TELL_COUNTS or text in listed:
            continue
        if text in begun:
            if len(begun[text]) == calls == 1:
                begun[text][0].end(number, count)
                groups.calls[number] += 1
            continue
        found = alike.get(likeness(count.text, number), ())
        if len(found) == 1:
            found[0].count(number, calls, count)
            groups.calls[number] += calls
        else:
            yield _told(count, calls, found, began_s)


def _begun(groups: Groups) -> _Alike:
    """Those of which nothing tells that they have ended, by text."""
    found: dict[str, list[Group]] = collections.defaultdict(list)
    for group in groups.all:
        if not (group.first.timed or group.first.error):
            found[valueless(group.first.text)].append(group)
    return found


def _alike(groups: Groups) -> _Alike:
    """Those that ended well, by likeness."""
    found: dict[str, list[Group]] = collections.defaultdict(list)
    for group in groups.all:
        if group.first.ended and not group.first.error and len(group.texts) == 1:
            found[likeness(group.first.text, group.first.query)].append(group)
    found.pop("", None)
    return found


def _told(count: Count, calls: int, elsewhere: Sequence[Group], began_s: float) -> Statement:
    unknown = {"text": _VALUES, "began_s": _AFTER, **dict.fromkeys(LOGGED, NOT_EACH)}
    counters = total([count])
    if elsewhere:
        unknown, counters = {**unknown, **dict.fromkeys(COUNTED, _ELSEWHERE)}, dict.fromkeys(COUNTED)
    wall_s = max(0.0, count.wall_s - sum(group.wall_s for group in elsewhere))
    return Statement(count.text, began_s, wall_s, calls, "", {**counters, **dict.fromkeys(LOGGED)}, unknown)


def _not_listed(began_s: float) -> Statement:
    what = ("text", "calls", "wall_s", "error", "works", *COUNTED, *LOGGED)
    counters = dict.fromkeys((*COUNTED, *LOGGED))
    return Statement(NOT_LISTED, began_s, 0.0, 0, "", counters, dict.fromkeys(what, _NOBODY))
