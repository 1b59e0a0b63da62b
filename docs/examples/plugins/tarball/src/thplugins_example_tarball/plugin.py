"""The hooks that this plugin implements."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen
from thcore.errors import ChangeError
from thcore.hooks import Build, hookimpl, option
from thcore.model import Change, Checkout

from thplugins_example_tarball import archive


@frozen
class TarballOptions:
    """What a job may say."""

    directory: Path = option(
        "Has PROJECT/REF.tar.gz for every ref, and PROJECT/BRANCH.tar.gz for every branch.", example="/srv/tarballs"
    )


class Tarball:
    """Checks a change out of an archive."""

    @hookimpl
    def thcore_job_options(self) -> type[TarballOptions]:
        return TarballOptions

    @hookimpl
    def thcore_resolve(self, build: Build, options: TarballOptions) -> str:
        return archive.commit_of(_archive(options.directory, build.change))

    @hookimpl
    def thcore_checkout(self, build: Build, options: TarballOptions) -> Checkout:
        build.check()
        path = _archive(options.directory, build.change)
        commit = archive.commit_of(path)
        if build.change.commit and build.change.commit != commit:
            raise ChangeError(f"{build.change} is at {commit}, not at {build.change.commit}")
        archive.unpack(path, build.workspace.source, build.check)
        return Checkout(build.workspace.source, commit)


def _archive(directory: Path, change: Change) -> Path:
    """The archive of a change. Names of projects, refs and branches come with the build, and are not trusted."""
    name = f"{change.project}/{change.ref or change.branch}.tar.gz"
    try:
        path = (directory / name).resolve()
        if path.is_relative_to(directory.resolve()) and path.is_file():
            return path
    except (OSError, ValueError):  # longer than names can be, or with NUL in it
        pass
    raise ChangeError(f"there is no archive {name!r} in {directory}")


plugin = Tarball()
