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
class StepResult:
    """One step as it ran on one dataset.

    ``added`` tells whether the change adds it: only those are judged. ``result`` is ``ok``, ``failed`` or ``not-run``.
    """

    step: Step
    added: bool
    result: str
    measurement: Measurement | None = None
    limits: tuple[Limit, ...] = ()


@frozen
class DatasetRun:
    """One dataset's way through the gate.

    ``version`` is the dataset's own label, empty where it has none; ``fingerprint`` tells its content. The versions of
    the schema are sets, in sorted order: it can have several heads.
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
