"""What became of a job lately: its newest attempts, and what their steps cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, and_, case, func, select, tuple_

from thcore.history import rows, schema
from thcore.history.schema import attempts, datasets, limits, measurements, stages, steps
from thcore.model import JobHistory

STEPS = 40
"""Different steps that are told of at most: a walk through all releases of a project can have hundreds."""

_STEP = (datasets.c.name, steps.c.chain, steps.c.version)
"""What a step is known by from one build to the next."""


def read(connection: Connection, job: str, limit: int, most: int = STEPS) -> JobHistory:
    """The newest ``limit`` attempts of a job with their stages, datasets and the steps that matter most: first those
    that changes added, the latest of them first, then those that the newest builds ran, the longest of them first."""
    wanted = select(attempts).where(attempts.c.job == job).order_by(attempts.c.started.desc(), attempts.c.id.desc())
    found = connection.execute(wanted.limit(limit)).all()
    ids = [row.id for row in found]
    chosen = connection.execute(_most_telling(ids, most)).all()
    runs = _runs(ids, [tuple(row)[: len(_STEP)] for row in chosen]).subquery()
    of_run = (runs.c.attempt_id, runs.c.dataset, runs.c.position)
    below = {
        stages: _of(ids, stages),
        datasets: _of(ids, datasets),
        steps: select(steps).join(runs, _same((steps.c.attempt_id, steps.c.dataset, steps.c.position), of_run)),
        **{
            table: select(table).join(runs, _same((table.c.attempt_id, table.c.dataset, table.c.step), of_run))
            for table in (measurements, limits)
        },
    }
    parts = {
        table: _by_attempt(connection.execute(query.order_by(*table.primary_key)).all())
        for table, query in below.items()
    }
    left_out = chosen[0].known - len(chosen) if chosen else 0
    return JobHistory(job, tuple(rows.attempt_of(row, _parts_of(row.id, parts)) for row in found), left_out)


def _most_telling(ids: Sequence[int], most: int) -> Select[Any]:
    """Name of the dataset, chain and version of steps, and how many there are altogether (``known``)."""
    added = func.max(case((steps.c.added, 1), else_=0))
    return (
        select(*_STEP, func.count().over().label("known"))
        .select_from(steps.join(datasets, _OF_DATASET))
        .where(steps.c.attempt_id.in_(ids), steps.c.wall_s.is_not(None))
        .group_by(*_STEP)
        .order_by(added.desc(), func.max(steps.c.attempt_id).desc(), func.sum(steps.c.wall_s).desc(), *_STEP)
        .limit(most)
    )


def _runs(ids: Sequence[int], chosen: Sequence[tuple[str, ...]]) -> Select[Any]:
    """Where the rows of these steps are."""
    return (
        select(steps.c.attempt_id, steps.c.dataset, steps.c.position)
        .select_from(steps.join(datasets, _OF_DATASET))
        .where(steps.c.attempt_id.in_(ids), tuple_(*_STEP).in_(chosen))
    )


def _of(ids: Sequence[int], table: Table) -> Select[Any]:
    return select(table).where(table.c.attempt_id.in_(ids))


def _same(one: Sequence[Any], other: Sequence[Any]) -> Any:
    return and_(*(left == right for left, right in zip(one, other, strict=True)))


_OF_DATASET = _same((datasets.c.attempt_id, datasets.c.position), (steps.c.attempt_id, steps.c.dataset))

Parts = dict[Table, dict[int, list[Row[Any]]]]


def _by_attempt(found: Sequence[Row[Any]]) -> dict[int, list[Row[Any]]]:
    by: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in found:
        by[row.attempt_id].append(row)
    return by


def _parts_of(attempt: int, parts: Parts) -> dict[Table, list[Row[Any]]]:
    return {table: parts.get(table, {}).get(attempt, []) for table in schema.BELOW}
