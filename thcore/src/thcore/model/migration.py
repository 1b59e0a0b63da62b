"""What a migration gate did: datasets, steps, measurements, limits."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen


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


@frozen
class Measurement:
    """What one step cost. Counters come from the server, keyed by the engine's own name for them; a counter that the
    engine cannot tell is None. ``wall_s`` is wall-clock seconds."""

    wall_s: float
    counters: Mapping[str, int | None] = field(factory=dict)


@frozen
class Limit:
    """What a step may cost at most. ``counter`` is ``wall_s`` or a counter's name, ``origin`` says where the limit was
    set (``config.json: maximum_migration_times.default``)."""

    counter: str
    maximum: float
    origin: str


@frozen
class Loss:
    """What a step left less of in the database: rows of ``table``, or values (not NULL) of its ``column``. ``before``
    and ``after`` are exact counts; ``after`` is None when the table or the column itself is gone."""

    table: str
    column: str | None
    before: int
    after: int | None


@frozen
class StepResult:
    """One step as it ran on one dataset.

    ``added`` tells whether the change adds it: only those are judged. ``result`` is ``ok``, ``failed`` or ``not-run``.
    ``losses`` are the rows and values that were there before the step and are not afterwards. ``leg`` names whose code
    ran it: a release, or the target branch; it is empty for the change's. ``from_snapshot`` says that an earlier build
    ran and measured it, on whose state this one went on.
    """

    step: Step
    added: bool
    result: str
    measurement: Measurement | None = None
    limits: tuple[Limit, ...] = ()
    losses: tuple[Loss, ...] = ()
    leg: str = ""
    from_snapshot: bool = False


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
