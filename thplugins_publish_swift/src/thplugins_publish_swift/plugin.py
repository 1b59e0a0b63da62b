"""The hook implementations."""

from __future__ import annotations

from typing import Any

from thcore.errors import InfrastructureError
from thcore.hooks import Build, hookimpl
from thcore.model import Outcome, Publication
from thplugins_publish_swift.options import PublishSwiftOptions


class PublishSwift:
    """Publishes evidence to OpenStack Swift."""

    @hookimpl
    def thcore_job_options(self) -> type[Any]:
        return PublishSwiftOptions

    @hookimpl
    def thcore_preload(self) -> None:
        from thcore.pages import html
        from thplugins_publish_swift import publication, submission  # noqa: F401 - what builds need

        html.compile_templates()

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


plugin = PublishSwift()
