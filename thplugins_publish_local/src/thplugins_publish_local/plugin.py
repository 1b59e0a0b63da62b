"""The hook implementations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import frozen

from thcore.errors import InfrastructureError
from thcore.hooks import Build, hookimpl, option
from thcore.model import Outcome, Publication


@frozen
class PublishLocalOptions:
    """Options of ``publish_local`` in a job. Raises ValueError for an address that is none."""

    path: Path = option("The directory that evidence is published below.", example="/srv/logs")
    url: str | None = option(
        "Where people reach that directory. Without it, the pages are known by file:// addresses.",
        default=None,
        example="https://logs.example.org/",
    )

    @url.validator
    def _is_complete(self, _attribute: object, url: str | None) -> None:
        if url is not None and not url.startswith(("https://", "http://", "file://")):
            raise ValueError(f"{url!r} is not a complete address; write for example https://logs.example.org/")


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
    def thcore_publish(self, build: Build, options: PublishLocalOptions, outcome: Outcome) -> Publication:
        # Imported here, since every call of the thcore command loads the plugins and few of them publish.
        from thplugins_publish_local import jobs, publication

        past = build.recent()
        root, log_path = options.path, build.log_path
        published = publication.publish(build.workspace.artifacts, root, options.url, log_path, outcome, past)
        try:
            publication.relist(root, log_path, outcome)
            jobs.write(root, past, publication.told(outcome, published))
            publication.relist(root, jobs.path_of(outcome.job))
        except (OSError, InfrastructureError) as error:
            # The evidence is there and its address is known; a listing that lags behind takes nothing from that.
            build.log(
                f"the listings above {build.log_path}, or the page of its job, could not be written: {error}",
                source="publish_local",
            )
        return published


plugin = PublishLocal()
