"""What is said about the checks."""

from __future__ import annotations

from attrs import frozen

from thcore.model import Check, Finding, Location, Severity, Step
from thplugins_dbmigration.messages import way

CODES = {
    "same-schema": "schema-differs",
    "same-models": "models-differ",
    "round-trip": "round-trip-differs",
    "interrupted-client": "interruption-not-survived",
    "interrupted-server": "interruption-not-survived",
}


@frozen
class Words:
    """What a failed check says, and what to do."""

    message: str
    hint: str


_ONCE_MORE = (
    "Make each step one that can be run again: ask whether a thing is there before it is made, keep one change to the "
    "schema in a step where the database cannot take it back, and have a backfill know which rows it has done."
)
_WORDS = {
    "same-schema": Words(
        "The migrated dataset has another schema than a fresh install",
        "Old and new installations will differ from now on. Have the migration do all that a fresh install does, and "
        "under the same names.",
    ),
    "same-models": Words(
        "The project's models are not what its migrations lead to",
        "Add to the migration what the models have, or to the models what the migration makes.",
    ),
    "round-trip": Words(
        "What the change does to the dataset is not undone when its steps are taken back",
        "Who goes back to the release before will miss this. Where that is meant to be so, nothing is to be done.",
    ),
    "interrupted-client": Words("Killed in its middle, migration {} cannot simply be run again", _ONCE_MORE),
    "interrupted-server": Words(
        "When the server dies in the middle of it, migration {} cannot simply be run again", _ONCE_MORE
    ),
}


def finding(check: Check, step: Step | None, dataset: str, severity: Severity) -> Finding:
    """A check that failed, or could not be made."""
    place = Location(step.path if step else None, None, dataset, way(step) if step else None)
    if check.result == "unverified":
        what = f" of migration {way(step)}" if step else ""
        return Finding(
            "check-not-made", severity, f"The check {check.name}{what} could not be made", place, check.details
        )
    words = _WORDS[check.name]
    message = words.message.format(way(step) if step else "")
    return Finding(CODES[check.name], severity, message, place, check.details, words.hint)
