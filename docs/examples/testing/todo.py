"""An analyser, for the tests beside it: it counts what the change leaves to be done."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from thcore.hooks import Build, hookimpl, option
from thcore.model import Finding, Severity


@frozen
class TodoOptions:
    """What a job may say."""

    most: int = option("How many are fine.", default=0)


class Todo:
    """The plugin."""

    @hookimpl
    def thcore_job_options(self) -> type[TodoOptions]:
        return TodoOptions

    @hookimpl
    def thcore_analyse(self, build: Build, options: TodoOptions) -> Iterator[Finding]:
        build.check()
        files = [path for path in build.workspace.source.rglob("*.py") if path.is_file() and not path.is_symlink()]
        count = sum(path.read_bytes().count(b"TODO") for path in files)
        if count > options.most:
            yield Finding("todo", Severity.FAILURE, f"{count} things are left to do, {options.most} may be")


plugin = Todo()
