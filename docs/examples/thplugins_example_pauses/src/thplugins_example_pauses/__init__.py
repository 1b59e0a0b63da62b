"""Tells where a build's log stood still, and writes a summary as plain text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from attrs import frozen

from thcore.hooks import Build, hookimpl, option
from thcore.model import Finding, Location, Outcome, Publication, Seconds, Severity


@frozen
class PausesOptions:
    """What a job may say."""

    directory: Path = option("Where the summaries are written.", example="/srv/summaries")
    longest: Seconds = option("How long the log may stand still.", default=Seconds(60.0))


class Pauses:
    """The plugin."""

    @hookimpl
    def thcore_job_options(self) -> type[PausesOptions]:
        return PausesOptions

    @hookimpl
    def thcore_analyse(self, build: Build, options: PausesOptions) -> Iterator[Finding]:
        before = None
        with build.workspace.log.open(encoding="utf-8", errors="replace") as log:
            for number, line in enumerate(log, 1):
                now = datetime.fromisoformat(line.partition(" ")[0])
                if before and (now - before).total_seconds() > options.longest:
                    message = f"Nothing was logged for {(now - before).total_seconds():.1f} s"
                    yield Finding("pause", Severity.WARNING, message, Location("console.log", number), (line.strip(),))
                before = now

    @hookimpl
    def thcore_publish(self, build: Build, options: PausesOptions, outcome: Outcome) -> Publication:
        options.directory.mkdir(parents=True, exist_ok=True)
        summary = options.directory / f"{build.id}-{build.attempt}.txt"
        lines = (f"{outcome.verdict.value}: {outcome.summary}", *(finding.message for finding in outcome.findings))
        summary.write_text("\n".join(lines) + "\n", "utf-8")
        return Publication(summary.as_uri())


plugin = Pauses()
