"""Checkout with git: every case that Zuul v2 asks for, out of mirrors that are kept between builds."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from thcore.builtin import submodules, trees
from thcore.builtin.git_fetch import MIRRORS, TREES, Fetch
from thcore.builtin.git_options import GitOptions
from thcore.builtin.git_process import library
from thcore.builtin.mirrors import forget
from thcore.errors import InfrastructureError
from thcore.hooks import Build, hookimpl
from thcore.model import Attempt, Checkout, Finding, Severity

_OLDEST_GIT = (2, 32)


class GitPlugin:
    """The plugin ``git``."""

    @hookimpl
    def thcore_job_options(self) -> type[GitOptions]:
        """Options of a job."""
        return GitOptions

    @hookimpl
    def thcore_checkout(self, build: Build, options: GitOptions) -> Checkout:
        """Bring the change's work tree to ``build.workspace.source``.

        Raises ChangeError for a change that can never be checked out (``ref-deleted``, ``change-unusable``,
        ``submodule-refused``) and InfrastructureError for what may be over at the next try (``fetch-failed``,
        ``commit-mismatch``, ``git-missing``).
        """
        fetch = Fetch.of(build, options)
        checkout = fetch.check_out()
        if options.submodules:
            boundary = options.base_url if fetch.git.local else None
            submodules.check_out(fetch.git, checkout.path, fetch.case.home, boundary)
        return checkout

    @hookimpl
    def thcore_resolve(self, build: Build, options: GitOptions) -> str:
        """Fetch the change into the mirror and say which commit it is. Raises like the checkout."""
        return Fetch.of(build, options).resolve()

    @hookimpl
    def thcore_preload(self) -> None:
        """Import GitPython: 0.2 s that builds need not spend."""
        library()

    @hookimpl
    def thcore_cleanup(self, attempt: Attempt, options: GitOptions | None) -> None:
        """Drop the attempt's refs from the mirrors, and make work trees for those that were lent."""
        forget(attempt.state / MIRRORS, attempt.build_id, attempt.number)
        if options is not None:
            trees.restock(attempt.state / TREES, attempt.state / MIRRORS, options.spare_trees)

    @hookimpl
    def thcore_health(self) -> Iterable[Finding]:
        """Look for a git that is new enough."""
        hint = f"Install git {'.'.join(map(str, _OLDEST_GIT))} or later."
        command = "apt-get install git" if shutil.which("apt-get") else None
        try:
            version = library().Git().version_info
        except InfrastructureError as error:
            return [Finding("git-missing", Severity.UNVERIFIED, str(error), hint=hint, command=command)]
        found = ".".join(map(str, version))
        if version < _OLDEST_GIT:
            message = f"git {found} is too old"
            return [Finding("git-too-old", Severity.UNVERIFIED, message, hint=hint, command=command)]
        return [Finding("git", Severity.INFO, f"git {found}")]


plugin = GitPlugin()
