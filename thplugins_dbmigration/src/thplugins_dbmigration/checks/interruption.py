"""Whether a step that was broken off in its middle can be run again.

The middle is half of the statements that change anything, of those that the server has seen when the step was measured.
That is the same in every run, on any machine. Where a statement leaves something behind when it is broken off itself,
the server is killed while that one runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Literal

from attrs import define

from thcore.errors import InfrastructureError, StoppedError
from thcore.model import Check, Step, StepResult
from thplugins_dbmigration import messages
from thplugins_dbmigration.checks.likeness import Likeness
from thplugins_dbmigration.checks.rerun import ImpossibleError, Rerun, scratch
from thplugins_dbmigration.observer.channel import changes
from thplugins_dbmigration.tools.tool import Enough, Pause, Plan
from thplugins_dbmigration.walk.ground import Ground
from thplugins_dbmigration.walk.leg import Leg

Victim = Literal["client", "server"]
_GONE = {"server-died", "server-not-answering"}
_LOOK_S = 0.05


def _nothing() -> None:
    """The project's program is ended by the answer that it waits for."""


@define
class Breach:
    """A guide that breaks in on one step, after so many ``statements`` of it. ``struck`` tells whether it came to
    that."""

    step: Step
    statements: int
    strike: Callable[[], None] = _nothing
    struck: bool = False

    def choose(self, plan: Plan) -> Sequence[Step]:
        return [step for step in plan.steps[:1] if (step.chain, step.version) == (self.step.chain, self.step.version)]

    def before(self, step: Step) -> Pause:  # noqa: ARG002 - Guide
        return Pause(self.statements, self.end)

    def after(self, step: Step, ok: bool) -> None:
        """Nothing is measured."""

    def end(self) -> None:
        """Strike, and end the project's program."""
        self.hit()
        raise Enough

    def hit(self) -> None:
        """Strike, and let the program find out."""
        self.struck = True
        self.strike()


def interrupted(rerun: Rerun, result: StepResult, victim: Victim, end: Likeness) -> Check:
    """Kill the project's program or the server in the middle of a step of the change that has ended well, and run the
    command again. ``end`` is what the change led the dataset to. Raises ImpossibleError."""
    trial = rerun.trial
    if victim == "server" and trial.site.engine.name == "sqlite":
        raise ImpossibleError("SQLite has no server that could be killed")
    for statements in dict.fromkeys((middle(result), 1)):
        check = _interrupted(rerun, result.step, victim, end, statements)
        if check is not None:
            return check
    raise ImpossibleError(
        "the step came to its end without a stop: it has no statement that changes anything, or the tool "
        f"{trial.chosen.tool.name} does not tell its statements"
    )


def middle(result: StepResult) -> int:
    """After how many statements a step is broken off. Most tools write the version last, which counts as well."""
    seen = result.measurement.statements if result.measurement else ()
    return max(1, sum(statement.calls for statement in seen if changes(statement.text)) // 2)


def _interrupted(rerun: Rerun, step: Step, victim: Victim, end: Likeness, statements: int) -> Check | None:
    """None when the step ended before."""
    site, breach = rerun.trial.site, Breach(step, statements)
    with scratch(site, "interrupted") as data:
        try:
            with rerun.prepared(data, before=step) as (ground, leg):
                if victim == "server":
                    breach.strike = ground.server.kill
                    with _in_a_statement(ground, breach):
                        _walk(rerun, leg, breach)
                else:
                    _walk(rerun, leg, breach)
                    if breach.struck:
                        return _again(rerun, ground, leg, breach, victim, end)
        except InfrastructureError as error:
            if victim != "server" or not breach.struck or error.code not in _GONE:
                raise
        if not breach.struck:
            return None
        with site.again(data) as ground:
            return _again(rerun, ground, leg, breach, victim, end)


def _walk(rerun: Rerun, leg: Leg, breach: Breach) -> None:
    trial = rerun.trial
    with trial.site.turns.beside():
        trial.chosen.tool.walk(trial.site.build, trial.chosen.options, leg.project, breach)


@contextmanager
def _in_a_statement(ground: Ground, breach: Breach) -> Iterator[None]:
    """Strike while a statement runs that leaves something behind when it is broken off."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_S):
            if waits():
                with suppress(StoppedError):  # the build's own thread is told as well
                    breach.hit()
                return

    with ground.server.hindrance(ground.address) as waits:
        watcher = threading.Thread(target=watch, name="hindrance", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


def _again(rerun: Rerun, ground: Ground, before: Leg, breach: Breach, victim: Victim, end: Likeness) -> Check:
    """Run the command again on what the interruption has left."""
    name = f"interrupted-{victim}"
    chosen, leg = rerun.trial.chosen, rerun.leg(ground, after=before)
    stop = leg.walk(chosen)
    if stop.failed is not None:
        fails = f"{messages.way(stop.failed)} fails when it is run again: {rerun.said(stop, leg)}"
        left = _left(rerun, ground, breach.step)
        if not left:
            return Check(name, "ok", breach.step.version, (fails, "nothing of the step is left, as before it"))
        return Check(name, "failed", breach.step.version, (fails, *left))
    if missed := leg.course.missed(leg.final(chosen), leg.walked):
        return Check(name, "failed", breach.step.version, missed)
    told = _otherwise(rerun, ground, end)
    return Check(name, "failed" if told else "ok", breach.step.version, told)


def _left(rerun: Rerun, ground: Ground, step: Step) -> tuple[str, ...]:
    """What the interruption has left of a step, in comparison with the state before it."""
    now = rerun.look(ground)
    with rerun.clone(before=step) as (other, _leg):
        before = rerun.look(other)
    return tuple(before.unlike(now, here="before the step", there="after the interruption").values())


def _otherwise(rerun: Rerun, ground: Ground, end: Likeness) -> tuple[str, ...]:
    """In what the dataset has ended otherwise than without the interruption. What is another one in each run, such as
    the time of day, is left out."""
    here, there = "without an interruption", "after one"
    told = end.unlike(rerun.look(ground), here=here, there=there)
    if told:
        with rerun.clone(before=rerun.first) as (other, led):
            rerun.ended_well(rerun.leg(other, after=led))
            by_chance = end.unlike(rerun.look(other), here=here, there=there)
        told = {about: line for about, line in told.items() if about not in by_chance}
    return tuple(told.values())
