"""Running the change's steps once more, where nobody measures."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thcore.errors import InfrastructureError
from thcore.model import Step
from thplugins_dbmigration import faults, messages, project
from thplugins_dbmigration.tools.tool import Stop
from thplugins_dbmigration.walk.ground import Ground, Site
from thplugins_dbmigration.walk.leg import Leg
from thplugins_dbmigration.walk.trial import Trial


class ImpossibleError(Exception):
    """Why a check cannot be made. It is nobody's fault."""


@contextmanager
def clone(trial: Trial, *, short_of: Step | None = None) -> Iterator[tuple[Ground, Leg]]:
    """As ``prepared``, in a directory of which nothing stays."""
    with scratch(trial.site, "check") as data, prepared(trial, data, short_of=short_of) as found:
        yield found


@contextmanager
def prepared(trial: Trial, data: Path, *, short_of: Step | None = None) -> Iterator[tuple[Ground, Leg]]:
    """A server on a clone, in the directory ``data``, of the state that the change goes on from. With ``short_of`` the
    change's steps before that one have been run on it, and the leg that is answered says which fix-ups were."""
    with trial.site.ground(trial.state.snapshot, data, kept=False) as ground:
        leg = leg_of(trial, ground, short_of=short_of)
        if short_of is not None:
            must_end_well(trial, leg.walk(trial.chosen))
        yield ground, leg


@contextmanager
def scratch(site: Site, name: str) -> Iterator[Path]:
    """Where a data directory may be made; nothing stays of it."""
    path = site.place / name
    shutil.rmtree(path, ignore_errors=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def leg_of(trial: Trial, ground: Ground, *, short_of: Step | None = None, after: Leg | None = None) -> Leg:
    """The change's leg, not to be judged: nothing is counted, and other datasets go on beside it. ``after`` is the one
    that was walked before on the same clone."""
    leg = trial.leg(ground, trial.site.place / "checks", short_of)
    leg.added = lambda _step: False
    if after is not None:
        leg.course.pending = list(after.course.pending)
    return leg


def must_end_well(trial: Trial, stop: Stop) -> None:
    """Raises ImpossibleError, or InfrastructureError, when what ended well before does not do so this time."""
    if stop.failed is not None:
        raise ImpossibleError(f"{messages.way(stop.failed)} failed this time: {words(trial, stop)[0]}")


def words(trial: Trial, stop: Stop) -> tuple[str, ...]:
    """What is told of a step that failed. Raises InfrastructureError (``machine-fault``) when it was the machine's
    fault."""
    told = project.said(stop, trial.change)
    reason = faults.machine_fault(told)
    if reason is not None:
        raise InfrastructureError(
            f"the migrations stopped for a reason that is not their own: {reason}", code="machine-fault"
        )
    return told
