"""The hooks that this plugin implements."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen
from thcore.hooks import Build, hookimpl, option
from thcore.model import Attempt, Checkout, Environment, Finding, Severity

from thplugins_example_toolchain import request, store


@frozen
class ToolchainOptions:
    """What a job may say."""

    archives: Path = option("Has NAME-VERSION.tar.gz for every tool, with its programs in bin/.", example="/srv/tools")


class Toolchain:
    """Gives a project the tools that it asks for."""

    @hookimpl
    def thcore_job_options(self) -> type[ToolchainOptions]:
        return ToolchainOptions

    @hookimpl
    def thcore_environment(self, build: Build, options: ToolchainOptions, checkout: Checkout) -> Environment:
        places = []
        tools = request.read(checkout.path)
        for number, tool in enumerate(tools):
            build.check()
            draft = _drafts(build.state, build.id, build.attempt) / str(number)
            places.append(store.unpacked(tool, options.archives, build.state, draft))
        return Environment(
            path=tuple(place / "bin" for place in places),
            description=tuple(f"{tool.name}=={tool.version}" for tool in tools),
        )

    @hookimpl
    def thcore_cleanup(self, attempt: Attempt) -> None:
        """Remove what was not wholly unpacked when the build was killed."""
        shutil.rmtree(_drafts(attempt.state, attempt.build_id, attempt.number), ignore_errors=True)

    @hookimpl
    def thcore_health(self, options: tuple[ToolchainOptions, ...]) -> Iterator[Finding]:
        for archives in sorted({each.archives for each in options}):
            count = len(list(archives.glob("*.tar.gz")))
            severity = Severity.INFO if count else Severity.UNVERIFIED
            hint = None if count else f"Put NAME-VERSION.tar.gz into {archives}, or name another directory."
            yield Finding("tools", severity, f"{archives} has {count} tools", hint=hint)


def _drafts(state: Path, build: str, attempt: int) -> Path:
    """Where one attempt unpacks: beside the tools, so that they can be moved there."""
    return state / f".{build}-{attempt}"


plugin = Toolchain()
