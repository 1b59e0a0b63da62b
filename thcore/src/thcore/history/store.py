"""The history: what a worker writes after each attempt, and what is asked of it later."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, ColumnElement, Connection, Engine, Select, and_, delete, func, insert, select
from sqlalchemy.exc import DataError

from thcore.errors import InfrastructureError
from thcore.history import database, jobs, rows
from thcore.history.revision import Standing, standing_of
from thcore.history.schema import BELOW, attempts, datasets, measurements, steps
from thcore.model import Answered, Change, JobHistory, Measurement, Outcome, PastAttempt, Verdict

_CANDIDATES = 5
"""How many builds are told when a prefix fits several."""


class History:
    """A history that is open. Any thread may read; one at a time may write.

    Every method raises InfrastructureError (``history-unavailable``) when the database cannot be used. It may be tried
    again at any time: connections are made anew.
    """

    def __init__(self, url: URL, engine: Engine) -> None:
        self._url = url
        self._engine = engine

    def __repr__(self) -> str:
        return f"History({database.place(self._url)})"

    @classmethod
    def open(cls, url: URL) -> History:
        """The history in a database that ``upgrade`` has brought up to date. See ``database.address`` for the URL.

        Raises InfrastructureError when it cannot be reached, or is of another version.
        """
        return cls._opened(url, empty=False)

    @classmethod
    def peek(cls, url: URL) -> History:
        """Like ``open``, for who only reads: where no worker has made a history yet, nothing has been done either."""
        return cls._opened(url, empty=True)

    @classmethod
    def _opened(cls, url: URL, *, empty: bool) -> History:
        found = standing_of(url)
        if found is Standing.CURRENT:
            return cls(url, database.engine_for(url))
        if found is Standing.EMPTY and empty:
            return cls(url, database.nothing())
        raise InfrastructureError(
            f"the history ({database.place(url)}) is {found.value}; start the worker, which brings it up to date",
            code="history-unavailable",
        )

    def close(self) -> None:
        """Let the database go."""
        self._engine.dispose()

    def record(self, outcome: Outcome, *, answered: Answered) -> None:
        """Remember an attempt, all of it or nothing of it. One that is known already is replaced.

        An attempt is known by build, worker and number. Raises ValueError for one with a number in it that no database
        takes: another try is of no use.
        """
        with self._connection() as connection:
            try:
                _replace(connection, outcome, answered)
            except (DataError, OverflowError) as error:
                raise ValueError(
                    f"build {outcome.build} attempt {outcome.attempt} cannot be recorded: {error}"
                ) from error

    def attempts(
        self,
        *,
        build: str = "",
        job: str | None = None,
        project: str | None = None,
        verdict: Verdict | None = None,
        since: datetime.datetime | None = None,
        limit: int | None = None,
    ) -> tuple[PastAttempt, ...]:
        """Attempts without their details, newest first; ``build`` is the beginning of a build's id."""
        wanted: Select[Any] = select(attempts).order_by(attempts.c.started.desc(), attempts.c.id.desc()).limit(limit)
        if build:
            wanted = wanted.where(_begins(build))
        for column, value in ((attempts.c.job, job), (attempts.c.project, project)):
            if value is not None:
                wanted = wanted.where(column == value)
        if verdict is not None:
            wanted = wanted.where(attempts.c.verdict == verdict.value)
        if since is not None:
            wanted = wanted.where(attempts.c.started >= since)
        with self._connection() as connection:
            return tuple(rows.attempt_of(row) for row in connection.execute(wanted))

    def builds(self, prefix: str) -> tuple[str, ...]:
        """Ids of builds that begin with ``prefix``, five at most; the one that is it stands alone."""
        found = select(attempts.c.build).distinct().order_by(attempts.c.build).limit(_CANDIDATES)
        with self._connection() as connection:
            known = connection.scalars(found.where(attempts.c.build == prefix)).all()
            return tuple(known or connection.scalars(found.where(_begins(prefix))))

    def build(self, build: str) -> tuple[PastAttempt, ...]:
        """Every attempt of a build with its stages, datasets, steps and findings, oldest first."""
        wanted = select(attempts).where(attempts.c.build == build).order_by(attempts.c.started, attempts.c.id)
        with self._connection() as connection:
            return tuple(
                rows.attempt_of(
                    row,
                    {
                        table: connection.execute(
                            select(table).where(table.c.attempt_id == row.id).order_by(*table.primary_key)
                        ).all()
                        for table in BELOW
                    },
                )
                for row in connection.execute(wanted).all()
            )

    def job(self, name: str, *, limit: int) -> JobHistory:
        """The newest ``limit`` attempts of a job with what their most telling steps cost. See ``JobHistory``."""
        with self._connection() as connection:
            return jobs.read(connection, name, limit)

    def measurements(
        self,
        step: str,
        dataset: str,
        engine_version: str,
        *,
        chain: str = "",
        conditions: Mapping[str, str] | None = None,
        fingerprint: str | None = None,
        apart: Change | None = None,
        passed: bool = False,
        limit: int = 100,
    ) -> tuple[Measurement, ...]:
        """What a step of a chain cost on a dataset under a version of its engine: the newest ``limit`` times, newest
        first; with ``conditions``, only what was measured under the same, with ``fingerprint`` only on that content of
        the dataset. ``apart`` leaves a change out, whatever its patch set; ``passed`` what did not end well: steps, and
        builds that did not pass."""
        wanted = step_runs(
            step,
            dataset,
            engine_version,
            limit,
            chain=chain,
            conditions=conditions,
            fingerprint=fingerprint,
            apart=apart,
            passed=passed,
        )
        with self._connection() as connection:
            taken = connection.execute(wanted).all()
            found = (rows.measurement_of(run, connection.execute(_counters(run)).all()) for run in taken)
            return tuple(measurement for measurement in found if measurement)

    def forget(self, *, older_than_s: float, maximum: int) -> int:
        """Drop attempts that ended longer ago than that, and the oldest ones beyond a number; answers how many."""
        horizon = datetime.datetime.fromtimestamp(max(0.0, time.time() - older_than_s), datetime.UTC)
        beyond = select(attempts.c.id).order_by(attempts.c.started.desc(), attempts.c.id.desc()).offset(maximum)
        with self._connection() as connection:
            old = connection.execute(delete(attempts).where(attempts.c.ended < horizon)).rowcount
            return old + connection.execute(delete(attempts).where(attempts.c.id.in_(beyond))).rowcount

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        with database.faults(self._url), self._engine.begin() as connection:
            yield connection


def _replace(connection: Connection, outcome: Outcome, answered: Answered) -> None:
    row = rows.attempt_row(outcome, answered)
    same = (attempts.c[name] == row[name] for name in ("build", "worker", "attempt"))
    connection.execute(delete(attempts).where(*same))
    inserted = connection.execute(insert(attempts).values(row).returning(attempts.c.id)).scalar_one()
    for table, values in rows.rows_below(outcome, inserted).items():
        if values:
            connection.execute(insert(table), values)


def step_runs(
    step: str,
    dataset: str,
    engine_version: str,
    limit: int,
    *,
    chain: str = "",
    conditions: Mapping[str, str] | None = None,
    fingerprint: str | None = None,
    apart: Change | None = None,
    passed: bool = False,
) -> Select[Any]:
    """The measured runs of a step on a dataset, newest first. See ``History.measurements``."""
    same: list[ColumnElement[bool]] = []
    if conditions is not None:
        same.append(datasets.c.conditions == conditions)
    if fingerprint is not None:
        same.append(datasets.c.fingerprint == fingerprint)
    if passed:
        same += [steps.c.result == "ok", attempts.c.verdict == Verdict.SUCCESS.value]
    if apart is not None and apart.number:
        numbered = f"{apart.project} {apart.number},"
        same.append(func.substr(attempts.c.change, 1, len(numbered)) != numbered)
    return (
        select(steps.c.attempt_id, steps.c.dataset, steps.c.position, steps.c.wall_s, steps.c.began)
        .join(datasets, and_(datasets.c.attempt_id == steps.c.attempt_id, datasets.c.position == steps.c.dataset))
        .join(attempts, attempts.c.id == steps.c.attempt_id)
        .where(
            steps.c.version == step,
            steps.c.chain == chain,
            steps.c.wall_s.is_not(None),
            datasets.c.name == dataset,
            datasets.c.engine_version == engine_version,
            *same,
        )
        .order_by(steps.c.attempt_id.desc())
        .limit(limit)
    )


def _counters(run: Any) -> Select[Any]:
    place = zip(("attempt_id", "dataset", "step"), (run.attempt_id, run.dataset, run.position), strict=True)
    return select(measurements).where(*(measurements.c[name] == value for name, value in place)).order_by("position")


def _begins(prefix: str) -> Any:
    # Not LIKE: SQLite's makes no difference between upper and lower case.
    return func.substr(attempts.c.build, 1, len(prefix)) == prefix
