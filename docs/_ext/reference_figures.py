"""What is counted: around steps by the gate, and of itself by the worker."""

from __future__ import annotations

from collections.abc import Mapping

from reference_words import cell

from thcore.monitoring.action import ACTIONS
from thcore.monitoring.metrics import METRICS
from thplugins_dbmigration.measure import Meaning
from thplugins_dbmigration.measure.counters import LEGACY, MEANINGS


def counters(engine: str) -> str:
    """What is measured around a step on an engine."""
    return described(MEANINGS[engine])


def counters_of_every_engine() -> str:
    """What is measured around a step, whatever the engine."""
    wall = Meaning("seconds", "wall-clock time of the step, limited by `maximum_migration_times`")
    return described({"wall_s": wall, **LEGACY})


def described(meanings: Mapping[str, Meaning]) -> str:
    """Counters as a table."""
    lines = ["| counter | unit | what it counts |", "|---|---|---|"]
    lines += [f"| `{name}` | {cell(meaning.unit)} | {cell(meaning.text)} |" for name, meaning in meanings.items()]
    return "\n".join(lines)


def actions() -> str:
    """What each action of the worker's log means."""
    lines = ["| action | meaning |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {cell(meaning)} |" for name, meaning in ACTIONS.items())])


def metrics() -> str:
    """Every metric of a worker."""
    lines = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {cell(metric.meaning)} |")
    return "\n".join(lines)
