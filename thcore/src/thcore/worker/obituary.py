"""What there is to say of a build's process that did not live to tell its outcome."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve

from thcore.model import Finding, OomKills, Severity, StageName
from thcore.process import ending
from thcore.process.oom import Toll
from thcore.process.tail import last_lines
from thcore.worker.nursery import Child


def finding(child: Child, toll: Toll, stage: StageName | None, log: Path, *, overdue: bool = False) -> Finding:
    """The finding for a child that has ended in a stage, with the last lines of its log. ``toll`` was taken before it
    had its work.

    ``overdue``: it did not end when the build's time was over, and was killed.
    """
    where = f" in stage {stage.value}" if stage else ""
    last = last_lines(log)
    if overdue:
        return Finding(
            "build-process-hung",
            Severity.UNVERIFIED,
            f"The process of the build did not end when its time was over{where}, and was killed",
            evidence=last,
            hint="A plugin does not heed the end of a build; report it to its author.",
        )
    return Finding(
        "build-process-died",
        Severity.UNVERIFIED,
        f"The process of the build died{where}: {_how(child, toll)}",
        evidence=last,
        hint="This is not the change's fault; it is worth a retry.",
    )


def _how(child: Child, toll: Toll) -> str:
    if child.status is None:
        return "nobody saw how"
    counted = toll.since() if child.oom_kills is None else OomKills(child.oom_kills, own=True)
    return evolve(ending.told(child.status), stopped=child.killed, oom=counted).reason()
