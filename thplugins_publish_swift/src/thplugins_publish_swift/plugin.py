"""The hook implementations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thcore.errors import InfrastructureError
from thcore.hooks import Build, hookimpl
from thcore.model import BuildRequest, Finding, LivePage, Outcome, Publication
from thplugins_publish_swift.options import PublishSwiftOptions

if TYPE_CHECKING:
    from thplugins_publish_swift.live import Show


class PublishSwift:
    """Publishes evidence to OpenStack Swift."""

    def __init__(self) -> None:
        # In a build's own process, by its workspace, for as long as it has a page that runs.
        self._shows: dict[Path, Show] = {}

    @hookimpl
    def thcore_job_options(self) -> type[Any]:
        return PublishSwiftOptions

    @hookimpl
    def thcore_preload(self) -> None:
        from thcore.pages import html
        from thplugins_publish_swift import live, submission  # noqa: F401 - what builds need

        html.compile_templates()

    @hookimpl
    def thcore_address(self, request: BuildRequest, options: PublishSwiftOptions) -> str | None:
        from thplugins_publish_swift import address, instructions

        if options.instructions is not None:
            try:
                return address.instructed(instructions.read(request.parameters, options.instructions), options)
            except InfrastructureError:
                pass  # publishing will tell what is wrong with them
        return address.with_account(options, request.log_path) if options.has_account else None

    @hookimpl
    def thcore_publish_live(self, build: Build, options: PublishSwiftOptions, page: LivePage) -> Publication | None:
        from thplugins_publish_swift.live import Show

        if not options.live or options.instructions is not None:
            return None
        key = build.workspace.root
        show = self._shows.get(key)
        if show is None:
            show = self._shows[key] = Show(build, options)
        try:
            published = show.put_up(page)
        except BaseException:
            self._shows.pop(key).close()
            raise
        if page.last:
            self._shows.pop(key).close()
        return published

    @hookimpl
    def thcore_publish(self, build: Build, options: PublishSwiftOptions, outcome: Outcome) -> Publication:
        # Imported here, since every call of the thcore command loads the plugins and few of them publish.
        from thplugins_publish_swift import publication, submission

        if options.instructions is not None:
            try:
                return submission.publish(build, options, options.instructions, outcome)
            except InfrastructureError as error:
                if error.code != "publish-failed" or not options.has_account:
                    raise
                build.log(f"{error}; it goes to the account instead", source=publication.NAME)
        return publication.publish(build, options, outcome)

    @hookimpl
    def thcore_health(self, options: tuple[PublishSwiftOptions, ...]) -> Iterator[Finding]:
        from thplugins_publish_swift import health

        yield from health.checks(options)


plugin = PublishSwift()
