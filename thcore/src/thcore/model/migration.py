"""What a migration gate did: datasets, steps, measurements, limits."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from thcore.model.census import Census
from thcore.model.finding import Severity
from thcore.model.measurement import Measurement


@frozen
class Step:
    """One migration, from one schema version to the next.

    ``version`` names where it leads (an Alembic revision, a number); ``parents`` is the set of versions it starts from.
    ``path`` is its source file, relative to the checkout, where known. ``chain`` names the chain that it belongs to
    where a project has several, each with versions of its own; the main one has no name.
    """

    version: str
    parents: tuple[str, ...] = ()
    title: str = ""
    path: str | None = None
    chain: str = ""

    def __str__(self) -> str:
        return f"{'+'.join(self.parents) or 'base'} -> {self.version}"

    def goes_by(self, name: str) -> bool:
        """Whether ``name``, as the location of a finding has it, means this step: its version, or the way that leads
        there, ``PARENT->VERSION``."""
        whence, arrow, version = name.rpartition("->")
        parents = self.parents or ("base",)
        return version.strip() == self.version and (
            not arrow or whence.strip() in {*parents, "+".join(parents), "+".join(sorted(parents))}
        )


@frozen
class Excuse:
    """Why a step may go above a limit: ``reason`` and ``owner`` as the project gives them, and the last day on which
    that holds, such as ``2027-03-31``."""

    reason: str
    owner: str
    until: str

    def __str__(self) -> str:
        return f"excused until {self.until} ({self.owner}): {self.reason}"


@frozen
class Limit:
    """What a step may cost at most. ``counter`` is ``wall_s`` or a counter's name, ``origin`` says where the limit was
    set (``config.json: maximum_migration_times.default``).

    ``table`` is the one table that it is about, empty where it is about the step. ``severity`` is what it is when a
    step that the change adds goes above it; a little above a limit on ``wall_s`` it is a warning at most.
    ``false_alarms`` is the share of runs that may be expected to go above it although nothing is wrong, None where
    nobody can tell. ``value`` is what the step came to, None where that is no more than its counters tell, or was not
    measured. ``excuse`` is why it may be above the limit, where it is. ``weight`` is what it weighs that the step went
    above it, None where it did not, or nobody has judged that.
    """

    counter: str
    maximum: float
    origin: str
    table: str = ""
    severity: Severity = Severity.FAILURE
    false_alarms: float | None = None
    value: float | None = None
    excuse: Excuse | None = None
    weight: Severity | None = None


@frozen
class Loss:
    """What a step left less of in the database: rows of ``table``, or values (not NULL) of its ``column``. ``before``
    and ``after`` are exact counts; ``after`` is None when the table or the column itself is gone.

    ``kind`` is ``gone``, ``emptied`` (values that are texts of no length now: the counts are of texts that are not
    empty) or ``merged`` (different values that are the same now: the counts are of distinct values).
    """

    table: str
    column: str | None
    before: int
    after: int | None
    kind: str = "gone"


@frozen
class Offence:
    """Rows that a failed step cannot do with.

    ``kind`` is ``duplicate``, ``null``, ``too-long``, ``out-of-range``, ``orphan``, ``check``, ``invalid-date`` or
    ``invalid-text``. ``count`` is how many rows there are, exact; ``query`` finds them; ``rows`` are the first of them,
    by column, with values cut, and masked where a column is confidential.
    """

    kind: str
    table: str
    columns: tuple[str, ...]
    count: int
    query: str
    rows: tuple[Mapping[str, str | None], ...] = ()


@frozen
class Check:
    """Something else that was tried with the change on a dataset.

    ``name`` is what it is (``interrupted-client``, ``round-trip``, ``same-schema``); ``step`` the version of the step
    that it is about, empty where it is about all. ``result`` is ``ok``, ``failed`` or ``unverified``. ``details`` are
    lines for people.
    """

    name: str
    result: str
    step: str = ""
    details: tuple[str, ...] = ()


@frozen
class StepResult:
    """One step as it ran on one dataset.

    ``added`` tells whether the change adds it: only those are judged. ``result`` is ``ok``, ``failed`` or ``not-run``.
    ``losses`` are the rows and values that were there before the step and are not afterwards, and ``census`` what was
    counted to find that out, None of a step that the change does not add or that did not run. ``leg`` names whose code
    ran it: a release, or the target branch; it is empty for the change's. ``from_snapshot`` says that an earlier build
    ran and measured it, on whose state this one went on. ``offences`` are the rows that made it fail, and ``on_empty``
    how it ends on the same schema without any: ``ok`` or ``failed``, empty where that was not tried.
    """

    step: Step
    added: bool
    result: str
    measurement: Measurement | None = None
    limits: tuple[Limit, ...] = ()
    losses: tuple[Loss, ...] = ()
    leg: str = ""
    from_snapshot: bool = False
    offences: tuple[Offence, ...] = ()
    on_empty: str = ""
    census: Census | None = None

    def weight(self, limit: Limit) -> Severity:
        """What it weighs that the step is above one of its limits: as it was judged, else as the limit says. A step
        that the change does not add can only warn; what is excused informs."""
        if limit.excuse is not None:
            return Severity.INFO
        if limit.weight is not None:
            return limit.weight
        return Severity.WARNING if limit.severity is Severity.FAILURE and not self.added else limit.severity


@frozen
class DatasetRun:
    """One dataset's way through the gate.

    ``version`` is the dataset's own label, empty where it has none; ``fingerprint`` tells its content. The versions of
    the schema are sets, in sorted order: it can have several heads. Those of another chain than the main one are
    written ``CHAIN:VERSION``. ``conditions`` are what durations can be compared within: how and where the data was
    cloned, and the settings of the server.
    """

    name: str
    engine: str
    engine_version: str
    fingerprint: str
    tool: str
    start_version: tuple[str, ...] = ()
    expected_version: tuple[str, ...] = ()
    final_version: tuple[str, ...] = ()
    steps: tuple[StepResult, ...] = ()
    version: str = ""
    conditions: Mapping[str, str] = field(factory=dict)
    checks: tuple[Check, ...] = ()
