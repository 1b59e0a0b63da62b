"""Running the change's steps once more, where nobody measures."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from thcore.model import Step
from thplugins_dbmigration import faults, messages, project
from thplugins_dbmigration.checks.likeness import Likeness
from thplugins_dbmigration.faults import Evidence
from thplugins_dbmigration.tools.tool import Stop
from thplugins_dbmigration.walk.ground import Ground, Site
from thplugins_dbmigration.walk.leg import Leg
from thplugins_dbmigration.walk.trial import Trial


class ImpossibleError(Exception):
    """Why a check cannot be made. It is nobody's fault."""


@frozen
class Rerun:
    """A change that has been tried on a dataset, to be tried again. ``first`` is the first step of its leg."""

    trial: Trial
    first: Step

    @contextmanager
    def clone(self, *, before: Step) -> Iterator[tuple[Ground, Leg]]:
        """As ``prepared``, in a directory of which nothing stays."""
        with scratch(self.trial.site, "check") as data, self.prepared(data, before=before) as found:
            yield found

    @contextmanager
    def prepared(self, data: Path, *, before: Step) -> Iterator[tuple[Ground, Leg]]:
        """A server on a clone, in the directory ``data``, that is in the state before a step of the change. The leg
        that led there is answered for ``leg``."""
        with self.trial.site.ground(self.trial.state.snapshot, data, kept=False) as ground:
            leg = self.leg(ground, short_of=before)
            if before != self.first or leg.course.pending:
                self.ended_well(leg)
            yield ground, leg

    def leg(self, ground: Ground, *, short_of: Step | None = None, after: Leg | None = None) -> Leg:
        """The change's leg, not to be judged. ``after`` is the one that was walked before on the same clone: its
        fix-ups are done."""
        leg = self.trial.unjudged(ground, self.trial.site.place / "checks", short_of=short_of)
        if after is not None:
            leg.course.pending = list(after.course.pending)
        return leg

    def ended_well(self, leg: Leg) -> None:
        """Walk a leg that has ended well before. Raises ImpossibleError, or InfrastructureError, when this time it does
        not."""
        stop = leg.walk(self.trial.chosen)
        if stop.failed is not None:
            raise ImpossibleError(f"{messages.way(stop.failed)} failed this time: {self.said(stop, leg)}")

    def look(self, ground: Ground) -> Likeness:
        """What a dataset is like at the moment."""
        with self.trial.site.turns.beside():
            return Likeness.of(ground)

    def said(self, stop: Stop, leg: Leg) -> str:
        """Why a step of a leg failed, in one line. Raises InfrastructureError (``machine-fault``) when that was the
        machine's fault."""
        told = project.said(stop, self.trial.change)
        not_machine_fault(told, leg.evidence)
        return told[0]


@contextmanager
def scratch(site: Site, name: str) -> Iterator[Path]:
    """Where a data directory may be made; nothing stays of it."""
    path = site.place / name
    shutil.rmtree(path, ignore_errors=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def not_machine_fault(told: tuple[str, ...], known: Evidence) -> None:
    """Raises InfrastructureError (``machine-fault``) when what was told says that the machine failed, and what is known
    of it bears that out."""
    fault = faults.machine_fault(told, known)
    if fault is not None:
        raise fault.error()
