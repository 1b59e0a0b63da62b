"""What the observer of a project's program and the gate say to each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, evolve, field

from thcore.errors import ChangeError
from thcore.model import CommandResult, Step
from thplugins_dbmigration import faults
from thplugins_dbmigration.tools.told import ChainShown, Midway, StepEnded, StepStarts, Trouble, Unusable, read
from thplugins_dbmigration.tools.tool import Enough, Guide, Pause, Plan, Stop

_FAILED = False
_GO: Mapping[str, Any] = {"go": True}
_END: Mapping[str, Any] = {"go": False}
_NOISE = "(Background on this error at: "
"""How SQLAlchemy ends each error."""


@define
class Chain:
    """A chain as it is run: the steps that were chosen and have not started yet. One that is ``cut`` ends before its
    head: what the project does afterwards may fail, and says nothing."""

    waiting: list[Step]
    cut: bool


@define
class Conversation:
    """Answers the program line by line, and knows where its walk stopped. What goes wrong on our side is kept until the
    program has ended.

    ``plan`` makes a plan of what was shown, and raises for a chain that is not where it should be; ``versions`` tells
    what the database lists for a chain.
    """

    guide: Guide
    plan: Callable[[ChainShown], Plan]
    versions: Callable[[str], frozenset[str]]
    silent: bool = True
    """Whether no chain has shown itself."""
    unusable: Trouble | None = None
    """What the program told before any chain."""
    _chains: list[Chain] = field(factory=list)
    _running: Step | None = None
    _pause: Pause | None = None
    """Where the running step is to wait."""
    _last: Step | None = None
    _stop: Stop | None = None
    _enough: bool = False
    _kept: Exception | None = None

    def __call__(self, line: str) -> str:
        try:
            answer = self._answer(line)
        except Enough:
            self._enough, answer = True, _END
        except Exception as error:  # noqa: BLE001 - the program is to end by itself first
            self._kept, answer = self._kept or error, _END
        return json.dumps(answer)

    def _answer(self, line: str) -> Mapping[str, Any]:
        match read(line):
            case Unusable(error):
                self.unusable = self.unusable or error
                return _GO
            case ChainShown() as shown if self._running is None and self._stop is None:
                return self._choose(self.plan(shown))
            case StepStarts() as starts if self._running is None and self._stop is None:
                return self._before(starts)
            case Midway(step=step) if self._running is not None and self._running.version == step and self._pause:
                self._pause.then()
                return _GO
            case StepEnded() as ended if self._running is not None and self._running.version == ended.step:
                return self._after(self._running, ended)
        return _END

    def _choose(self, plan: Plan) -> Mapping[str, Any]:
        self.silent = False
        chosen = list(self.guide.choose(plan))
        if chosen != list(plan.steps[: len(chosen)]):
            raise ValueError("the steps to run must be the first of the plan, in its order")
        self._chains.append(Chain(chosen, cut=len(chosen) < len(plan.steps)))
        # A command may start several programs, one after the other, so that it is for us to number the chains.
        return {"chain": len(self._chains) - 1, "run": [step.version for step in chosen]}

    def _before(self, starts: StepStarts) -> Mapping[str, Any]:
        waiting = self._chains[starts.chain].waiting if 0 <= starts.chain < len(self._chains) else []
        if not waiting or waiting[0].version != starts.step:
            return _END
        self._pause = self.guide.before(waiting[0])  # which may have the program end here: then it never starts
        self._running = waiting.pop(0)
        return _GO if self._pause is None else {**_GO, "pause": self._pause.statements}

    def _after(self, step: Step, ended: StepEnded) -> Mapping[str, Any]:
        self._running, self._last = None, step
        if not ended.ok:
            error = ended.error or Trouble("Error")
            self._stop = Stop(
                step,
                message=error.sentence(),
                evidence=error.evidence(),
                line=error.line,
                statement=error.statement,
                error=error.answer(),
            )
            self.guide.after(step, _FAILED)
            return _GO  # it has more to say, but no step to start
        self.guide.after(step, ended.ok)
        # The tool's word is not enough: an env.py that never commits ends without an error as well.
        versions = self.versions(step.chain)
        if step.version not in versions:
            at = ", ".join(sorted(versions)) or "no version"
            self._stop = Stop(
                step,
                code="final-version-mismatch",
                message=f"the step ended without an error, but the database is at {at} and not at {step.version}",
            )
            return _END
        return _GO

    def raise_kept(self) -> None:
        """Raise what went wrong on our side."""
        if self._kept is not None:
            raise self._kept

    def stop(self, result: CommandResult) -> Stop:
        """Where it ended, once the program is gone.

        Raises ChangeError (``tool-unusable``) when it failed without a step that could be named.
        """
        if self._running is not None:
            step, self._running = self._running, None
            self.guide.after(step, _FAILED)
            return _broken_off(step, f"the migration program ended in the middle: {result.reason()}", result)
        if self._stop is not None:
            told = {line.strip() for line in self._stop.evidence}
            output = tuple(line for line in result.tail if line.strip() not in told and not line.startswith(_NOISE))
            return evolve(self._stop, evidence=(*self._stop.evidence, *output))
        if self._enough:
            return Stop()
        waiting = next((chain.waiting[0] for chain in self._chains if chain.waiting), None)
        if waiting is not None:
            return _broken_off(waiting, f"the migration program ended early: {result.reason()}", result)
        if result.ok or any(chain.cut for chain in self._chains):
            return Stop()
        if self._last is not None:
            return _broken_off(self._last, f"the migration program failed after this step: {result.reason()}", result)
        raise _failed_for_nothing(result)


def _failed_for_nothing(result: CommandResult) -> Exception:
    # What may be the machine's fault is in the message: whether it is, others find out.
    line = next((line for line in result.tail if faults.words([line])), result.tail[-1] if result.tail else "")
    words = f"; it said: {line}" if line else ""
    told = f"The migration program failed, although it had no migration to run: {result.reason()}{words}"
    return ChangeError(told, code="tool-unusable")


def _broken_off(step: Step, why: str, result: CommandResult) -> Stop:
    return Stop(step, message=why, evidence=result.tail)
