"""The conversation with the program that walks a project's revisions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from thcore.model import CommandResult, Step
from thplugins_dbmigration.tools.tool import Stop

_FAILED = False


class Walk:
    """A walk as it goes on: measures around each step, and knows where it stopped."""

    def __init__(
        self,
        steps: tuple[Step, ...],
        before: Callable[[Step], None],
        after: Callable[[Step, bool], None],
        versions: Callable[[], frozenset[str]],
    ) -> None:
        self._waiting = list(steps)
        self._before = before
        self._after = after
        self._versions = versions
        self._running: Step | None = None
        self._stop: Stop | None = None

    def hear(self, message: Mapping[str, Any]) -> str:
        """Take one message of the program; answer ``go`` or ``stop``."""
        event, version = message["event"], message.get("step")
        if event == "before" and self._running is None and self._waiting and self._waiting[0].version == version:
            self._running = self._waiting.pop(0)
            self._before(self._running)
            return "go"
        if event == "after" and self._running is not None and self._running.version == version:
            return self._ended(self._running, message)
        return "go" if event == "end" else "stop"

    def _ended(self, step: Step, message: Mapping[str, Any]) -> str:
        self._running = None
        ok = message.get("ok") is True
        # Alembic's word is not enough: an env.py that never commits ends without an error as well.
        self._after(step, ok)
        if not ok:
            error = message.get("error") or {}
            self._stop = Stop(step, message=sentence(error), evidence=evidence(error), line=error.get("line"))
            return "stop"
        versions = self._versions()
        if step.version not in versions:
            at = ", ".join(sorted(versions)) or "no version"
            self._stop = Stop(
                step,
                code="final-version-mismatch",
                message=f"the step ended without an error, but the database is at {at} and not at {step.version}",
            )
            return "stop"
        return "go"

    def stop(self, result: CommandResult) -> Stop:
        """Where it ended, once the program is gone."""
        if self._running is not None:
            step, self._running = self._running, None
            self._after(step, _FAILED)
            return Stop(
                step, message=f"the migration program ended in the middle: {result.reason()}", evidence=result.tail
            )
        if self._stop is not None:
            return self._stop
        if self._waiting:
            step = self._waiting[0]
            return Stop(step, message=f"the migration program ended early: {result.reason()}", evidence=result.tail)
        return Stop()


class Talk:
    """Answers the program line by line. What goes wrong on our side is kept until the program has ended."""

    def __init__(self, task: Mapping[str, Any], walk: Walk | None = None) -> None:
        self._task = task
        self._walk = walk
        self._kept: Exception | None = None
        self.plan: Mapping[str, Any] | None = None
        self.unusable: Mapping[str, Any] | None = None

    def __call__(self, line: str) -> str:
        try:
            message = json.loads(line)
            event = message["event"]
        except (ValueError, TypeError, KeyError):
            return "stop"
        if event == "ready":
            return json.dumps(self._task)
        if event == "plan":
            self.plan = message
        elif event == "unusable":
            self.unusable = message
        elif self._walk is not None:
            try:
                return self._walk.hear(message)
            except Exception as error:  # noqa: BLE001 - the program is to end by itself first
                self._kept = error
                return "stop"
        return "go"

    def raise_kept(self) -> None:
        """Raise what a measurement raised."""
        if self._kept is not None:
            raise self._kept


def sentence(error: Mapping[str, Any]) -> str:
    """An error of the program in one line: ``IntegrityError: (1062) Duplicate entry …``."""
    text = " ".join(str(error.get("message") or "").split())
    state = f" [{error['state']}]" if error.get("state") else ""
    return f"{error.get('type') or 'Error'}{state}: {text}" if text else f"{error.get('type') or 'Error'}{state}"


def evidence(error: Mapping[str, Any]) -> tuple[str, ...]:
    """An error of the program in full: the server's words, the statement, the line of the migration."""
    lines = [sentence(error)]
    if error.get("statement"):
        lines.append("statement: " + " ".join(str(error["statement"]).split()))
    if error.get("source"):
        lines.append(f"{error.get('file')}, line {error.get('line')}: {error['source']}")
    return tuple(lines)
