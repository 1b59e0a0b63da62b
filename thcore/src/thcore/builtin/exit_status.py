"""Analysis of how the job's program ended."""

from __future__ import annotations

import signal

from thcore.builtin.evidence import last_lines
from thcore.hooks import Build, hookimpl
from thcore.model import Execution, Finding, Severity

_EVIDENCE_LINES = 20
_KILLED = 128 + signal.SIGKILL


class ExitStatusPlugin:
    """The plugin ``exit_status``: any exit status but 0 fails the change.

    A program that was ended with SIGKILL is the exception: nobody but the system or an operator does that, so the
    finding is ``unverified`` (code ``killed``), which Zuul may retry.
    """

    @hookimpl
    def thcore_analyse(self, build: Build, execution: Execution) -> tuple[Finding, ...]:
        """One finding, or none when the program ended with status 0 or was never run."""
        code, message = execution.exit_code, execution.message
        if code == 0 or (code is None and not message):
            return ()
        evidence = last_lines(build.workspace.log, build.workspace.artifacts, _EVIDENCE_LINES)
        if code == _KILLED:
            return (
                Finding(
                    "killed",
                    Severity.UNVERIFIED,
                    _in_words(execution)
                    if execution.reason
                    else "The job's program was killed by SIGKILL: the system may have run out of memory",
                    evidence=evidence,
                    hint="Look for the out-of-memory killer in the system's log of the worker.",
                ),
            )
        words = _in_words(execution)
        # What the program itself says does not mention that the machine ran out of memory.
        hint = words if message and execution.reason not in {"", f"exit status {code}"} else None
        return (Finding("exit-status", Severity.FAILURE, message or words, evidence=evidence, hint=hint),)


def _in_words(execution: Execution) -> str:
    code, reason = execution.exit_code, execution.reason
    if code is None:
        return "The job's program did not end by itself"
    if reason:
        return f"The job's program {'ended with' if reason.startswith('exit status') else 'was'} {reason}"
    if 128 < code < 128 + signal.NSIG:
        try:
            return f"The job's program was killed by {signal.Signals(code - 128).name}"
        except ValueError:
            pass
    return f"The job's program ended with exit status {code}"


plugin = ExitStatusPlugin()
