"""The hook implementations."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from thcore.errors import InfrastructureError, StoppedError
from thcore.hooks import Build, hookimpl
from thcore.model import BuildRequest, Finding, JobHistory, LivePage, Outcome, Publication
from thplugins_publish_local.options import PublishLocalOptions

NAME = "publish_local"


class PublishLocal:
    """Publishes evidence to a directory."""

    @hookimpl
    def thcore_job_options(self) -> type[Any]:
        return PublishLocalOptions

    @hookimpl
    def thcore_preload(self) -> None:
        from thcore.pages import html

        html.compile_templates()

    @hookimpl
    def thcore_address(self, request: BuildRequest, options: PublishLocalOptions) -> str:
        from thplugins_publish_local import publication

        return publication.address(options.path, options.url, request.log_path)

    @hookimpl
    def thcore_publish_live(self, build: Build, options: PublishLocalOptions, page: LivePage) -> Publication | None:
        if not options.live:
            return None
        from thplugins_publish_local import publication

        if publication.publish_live(page, build.id, options.path, build.log_path, options.access, build.check):
            self._relist(build, options)  # people find it on the way down, too
        return Publication(publication.address(options.path, options.url, build.log_path))

    @hookimpl
    def thcore_publish(self, build: Build, options: PublishLocalOptions, outcome: Outcome) -> Publication:
        # Imported here, since every call of the thcore command loads the plugins and few of them publish.
        from thplugins_publish_local import publication

        past = build.recent()
        published = publication.publish(
            build.workspace.artifacts, options.path, options.url, build.log_path, outcome, options.access, past
        )
        self._relist(build, options, outcome)
        self._add_to_history(build, options, past, publication.told(outcome, published))
        self._look_after(build, options)
        return published

    @hookimpl
    def thcore_health(self, work: Path, options: tuple[PublishLocalOptions, ...]) -> Iterator[Finding]:
        from thplugins_publish_local import health

        yield from health.checks(options, work)

    @hookimpl
    def thcore_commands(self) -> list[click.Command]:
        from thplugins_publish_local.commands import evidence

        return [evidence]

    def _relist(self, build: Build, options: PublishLocalOptions, outcome: Outcome | None = None) -> None:
        from thplugins_publish_local import publication

        try:
            publication.relist(options.path, build.log_path, options.access, outcome)
        except (OSError, InfrastructureError) as error:
            # The evidence is there and its address is known; a listing that lags behind takes nothing from that.
            build.log(f"the listings above {build.log_path} could not be written: {error}", source=NAME)

    def _add_to_history(self, build: Build, options: PublishLocalOptions, past: JobHistory, outcome: Outcome) -> None:
        from thplugins_publish_local import jobs, publication

        try:
            jobs.write(options.path, past, outcome, options.access)
            publication.relist(options.path, jobs.path_of(outcome.job), options.access)
        except (OSError, InfrastructureError) as error:
            build.log(f"the history of job {outcome.job} could not be written: {error}", source=NAME)

    def _look_after(self, build: Build, options: PublishLocalOptions) -> None:
        from thplugins_publish_local import upkeep

        horizon = time.monotonic() + upkeep.BUDGET_S

        def go_on() -> bool:
            try:
                build.check()
            except StoppedError:
                return False
            return time.monotonic() < horizon

        try:
            swept = upkeep.look_after(options, go_on)
        except (OSError, InfrastructureError) as error:
            build.log(f"builds that are kept no longer could not be removed: {error}", source=NAME)
        else:
            if swept.builds:
                build.log(f"removed builds that are kept no longer: {swept}", source=NAME)


plugin = PublishLocal()
