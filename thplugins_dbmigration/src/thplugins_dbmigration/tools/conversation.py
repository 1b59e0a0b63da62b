"""What the observer of a project's program and the gate say to each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field

from thcore.model import CommandResult, Step
from thplugins_dbmigration.tools.tool import Enough, Guide, Plan, Stop

_FAILED = False
_GO: Mapping[str, Any] = {"go": True}
_END: Mapping[str, Any] = {"go": False}
_LAST_LINES = 40


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

    ``plan`` reads a chain from the observer's message, and raises for one that is not where it should be; ``versions``
    tells what the database lists for a chain.
    """

    guide: Guide
    plan: Callable[[Mapping[str, Any]], Plan]
    versions: Callable[[str], frozenset[str]]
    chains: list[Chain] = field(factory=list)
    silent: bool = True
    """Whether no chain has shown itself."""
    unusable: Mapping[str, Any] | None = None
    """The error that the program told before any chain."""
    _running: Step | None = None
    _stop: Stop | None = None
    _last: Step | None = None
    _enough: bool = False
    _kept: Exception | None = None

    def __call__(self, line: str) -> str:
        try:
            answer = self._answer(json.loads(line))
        except Enough:
            self._enough, answer = True, _END
        except Exception as error:  # noqa: BLE001 - the program is to end by itself first
            self._kept, answer = error, _END
        return json.dumps(answer)

    def _answer(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        match message.get("event"):
            case "unusable":
                if self.unusable is None:
                    self.unusable = message["error"]
                return _GO
            case "chain" if self._running is None and self._stop is None:
                return self._choose(message)
            case "before" if self._running is None and self._stop is None:
                return self._before(self.chains[int(message["chain"])], message["step"])
            case "after" if self._running is not None and self._running.version == message["step"]:
                return self._after(self._running, message)
        return _END

    def _choose(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        plan = self.plan(message)
        self.silent = False
        chosen = list(self.guide.choose(plan))
        if chosen != list(plan.steps[: len(chosen)]):
            raise ValueError("the steps to run must be the first of the plan, in its order")
        self.chains.append(Chain(chosen, cut=len(chosen) < len(plan.steps)))
        # A command may start several programs, one after the other, so that it is for us to number the chains.
        return {"chain": len(self.chains) - 1, "run": [step.version for step in chosen]}

    def _before(self, chain: Chain, version: str) -> Mapping[str, Any]:
        if not chain.waiting or chain.waiting[0].version != version:
            return _END
        self.guide.before(chain.waiting[0])  # which may have the program end here: then the step never starts
        self._running = chain.waiting.pop(0)
        return _GO

    def _after(self, step: Step, message: Mapping[str, Any]) -> Mapping[str, Any]:
        self._running, self._last = None, step
        ok = message.get("ok") is True
        if not ok:
            error = message.get("error") or {}
            self._stop = Stop(step, message=sentence(error), evidence=evidence(error), line=error.get("line"))
            self.guide.after(step, _FAILED)
            return _GO  # it has more to say; no further step starts
        self.guide.after(step, ok)
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
        """Raise what the guide raised."""
        if self._kept is not None:
            raise self._kept

    def stop(self, result: CommandResult) -> Stop:
        """Where it ended, once the program is gone. Raises what the guide raised in its last words."""
        if self._running is not None:
            step, self._running = self._running, None
            self.guide.after(step, _FAILED)
            reason = f"the migration program ended in the middle: {result.reason()}"
            return Stop(step, message=reason, evidence=result.tail)
        if self._stop is not None:
            return _with_output(self._stop, result)
        if self._enough:
            return Stop()
        waiting = next((chain.waiting[0] for chain in self.chains if chain.waiting), None)
        if waiting is not None:
            reason = f"the migration program ended early: {result.reason()}"
            return Stop(waiting, message=reason, evidence=result.tail)
        if self._last is not None and not result.ok and not any(chain.cut for chain in self.chains):
            reason = f"the migration program failed after this step: {result.reason()}"
            return Stop(self._last, message=reason, evidence=result.tail)
        return Stop()


def _with_output(stop: Stop, result: CommandResult) -> Stop:
    told = {line.strip() for line in stop.evidence}
    output = tuple(line for line in result.tail[-_LAST_LINES:] if line.strip() not in told)
    return Stop(stop.failed, stop.code, stop.message, (*stop.evidence, *output), stop.line)


def sentence(error: Mapping[str, Any]) -> str:
    """An error of the program in one line: ``IntegrityError: (1062) Duplicate entry …``."""
    text = " ".join(str(error.get("message") or "").split())
    state = f" [{error['state']}]" if error.get("state") else ""
    return f"{error.get('type') or 'Error'}{state}: {text}" if text else f"{error.get('type') or 'Error'}{state}"


def evidence(error: Mapping[str, Any]) -> tuple[str, ...]:
    """An error of the program in full: the server's words, the statement, the line of the migration, the traceback."""
    lines = [sentence(error)]
    if error.get("statement"):
        lines.append("statement: " + " ".join(str(error["statement"]).split()))
    if error.get("source"):
        lines.append(f"{error.get('file')}, line {error.get('line')}: {error['source']}")
    return (*lines, *error.get("traceback", ()))
