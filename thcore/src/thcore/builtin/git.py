"""Checkout with git: every case that Zuul v2 asks for, out of mirrors that are kept between builds."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from attrs import field, frozen

from thcore.builtin import submodules
from thcore.builtin.fetch_case import Case, case_of, is_address
from thcore.builtin.git_process import Address, Git, GitCallError, blank_credentials, library, pause
from thcore.builtin.mirrors import Mirror, attempt_refs, forget, looks_corrupt, mirror_name
from thcore.errors import InfrastructureError
from thcore.hooks import Build, hookimpl, option
from thcore.model import Attempt, Checkout, Finding, Seconds, Severity

T = TypeVar("T")

_NO_SUCH_REF = re.compile(r"couldn't find remote ref|not our ref|unadvertised object|no such remote ref", re.IGNORECASE)
_OLDEST_GIT = (2, 32)
_PAUSES_S = (1.0, 4.0, 10.0)


@frozen
class GitOptions:
    """Options of the git plugin."""

    base_url: str | None = option(
        "Where the projects are: `/PROJECT` is appended. Also a directory of this machine. Without it everything is"
        " fetched from the address that comes with the build, which knows no branches that are up to date.",
        default=None,
        example="https://opendev.org",
    )
    branch: str | None = option(
        "The branch for builds that name none (timer pipelines). Without it, the one that the origin points out.",
        default=None,
    )
    submodules: bool = option("Check out submodules too.", default=True)
    timeout: Seconds = option("How long one call of git may take.", default=Seconds(1800.0))
    retries: int = option("How often a fetch is tried again when the remote does not answer.", default=2)
    refresh: Seconds = option(
        "How old the mirror's own branches and tags may get. They speed up fetches and give work trees their tags; the"
        " commit under test is always asked for anew.",
        default=Seconds(600.0),
    )

    def __attrs_post_init__(self) -> None:
        if self.base_url is not None and not is_address(self.base_url, local=True):
            raise ValueError(
                f"base_url {blank_credentials(self.base_url)!r} is no http, https, git or ssh URL and no absolute path"
            )


@frozen
class _Fetch:
    """One change, brought into the mirror, and from there into a work tree if that is wanted."""

    build: Build
    options: GitOptions
    git: Git
    mirror: Mirror
    case: Case
    ref: str = field()

    @ref.default
    def _own_ref(self) -> str:
        # An attempt may want several revisions, and provisions have workspaces of their own.
        asked = f"{self.build.workspace.root}\0{self.build.change!r}".encode("utf-8", "replace")
        place = hashlib.sha256(asked).hexdigest()[:16]
        return f"{attempt_refs(self.build.id, self.build.attempt)}/{place}"

    def check_out(self) -> Checkout:
        """Fetch, and make the work tree."""
        return self._sound(self._check_out)

    def resolve(self) -> str:
        """Fetch, and answer the commit."""
        return self._sound(self._resolve)

    def _sound(self, work: Callable[[float], T]) -> T:
        """Do the work; once more from a new mirror if this one is corrupt. ``work`` is given the age that the mirror's
        own branches may have."""
        try:
            return work(self.options.refresh)
        except _CorruptMirrorError as corrupt:
            self.build.log(f"the mirror of {self.build.change.project} is corrupt and is made anew", source="git")
            self.mirror.replace(corrupt.generation)
        except InfrastructureError:
            # A server may refuse to hand out a commit by its name; then it may be on one of the branches.
            if not self.case.moving:
                raise
        try:
            return work(0.0)
        except _CorruptMirrorError as corrupt:
            raise InfrastructureError(
                f"{self.build.change.project} cannot be checked out, from a new mirror either: {corrupt.text}",
                code="fetch-failed",
            ) from corrupt

    def _resolve(self, max_age_s: float) -> str:
        self.mirror.refresh(self.case.home, max_age_s)
        with self.mirror.used() as generation:
            try:
                return self._commit(generation)
            except GitCallError as error:
                raise self._judged(error, generation) from error

    def _check_out(self, max_age_s: float) -> Checkout:
        self.mirror.refresh(self.case.home, max_age_s)
        source = self.build.workspace.source
        with self.mirror.used() as generation:
            try:
                commit = self._commit(generation)
                shutil.rmtree(source, ignore_errors=True)
                self._borrow(generation, source)
            except GitCallError as error:
                raise self._judged(error, generation) from error
        try:
            self.git("checkout", "--quiet", "--force", "--detach", commit, directory=source)
        except GitCallError as error:
            raise self._judged(error, generation) from error
        self.mirror.tidy(generation)
        return Checkout(source, commit)

    def _judged(self, error: GitCallError, generation: Path) -> Exception:
        if looks_corrupt(error):
            return _CorruptMirrorError(error.text, generation)
        return InfrastructureError(
            f"{self.build.change.project} cannot be checked out: {error.text}",
            code="fetch-failed",
        )

    def _borrow(self, generation: Path, source: Path) -> None:
        """A repository without objects of its own: nothing that happens to it can reach the mirror's refs."""
        source.parent.mkdir(parents=True, exist_ok=True)
        quiet = ("--quiet", "--shared", "--no-checkout", "--template=", "--no-recurse-submodules")
        self.git("clone", *quiet, "--", str(generation), str(source), quiet=True)
        # Relative URLs of submodules count from here, and the project's programs may look at it.
        self.git("config", "remote.origin.url", self.case.home.url, directory=source)

    def _commit(self, generation: Path) -> str:
        """The commit to check out, present in the mirror and held there by this build's own ref."""
        wanted = self.case.commit
        if wanted and (commit := self._named(generation, wanted)):
            # A commit's name says all that is in it; who handed it over does not matter.
            self.git("update-ref", self.ref, commit, directory=generation)
            return commit
        problems = []
        for remote, ref in self._candidates():
            try:
                self._fetch(generation, remote, ref)
            except GitCallError as error:
                if looks_corrupt(error):
                    raise
                problems.append(f"{ref} from {remote}: {error.text}")
                continue
            found = self.git("rev-parse", "--verify", "--quiet", self.ref, directory=generation).strip()
            tip = self._named(generation, self.ref)
            if tip is None:
                raise InfrastructureError(f"{ref} of {remote} is no commit", code="fetch-failed")
            if wanted in {None, found, tip}:
                return tip
            if self.case.moving and (commit := self._named(generation, wanted or "")):
                self.git("update-ref", self.ref, commit, directory=generation)
                return commit
            if not self.case.moving:
                raise InfrastructureError(
                    f"{ref} of {remote} is at {tip}, but the build is about {wanted}; has it been merged anew?",
                    code="commit-mismatch",
                )
            problems.append(f"{ref} from {remote}: does not have {wanted}")
        raise InfrastructureError(
            f"{self.build.change.project} cannot be fetched: {'; '.join(problems)}", code="fetch-failed"
        )

    def _candidates(self) -> Iterator[tuple[Address, str]]:
        for remote in self.case.remotes:
            for ref in self.case.refs:
                yield remote, ref

    def _fetch(self, generation: Path, remote: Address, ref: str) -> None:
        """Fetch into this build's own ref, again if the remote does not answer."""
        self.build.log(f"fetching {ref} from {remote}", source="git")
        for pause_s in (*_PAUSES_S[: self.options.retries], None):
            try:
                return self.mirror.fetch(generation, remote, f"+{ref}:{self.ref}")
            except GitCallError as error:
                gone = _NO_SUCH_REF.search(error.text) is not None
                if pause_s is None or gone or error.timed_out or looks_corrupt(error):
                    raise
            pause(self.build, pause_s)
        raise AssertionError

    def _named(self, generation: Path, name: str) -> str | None:
        """The commit that a ref, a tag or a commit's name means, if it is in the mirror."""
        try:
            arguments = ("--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
            return self.git("rev-parse", *arguments, directory=generation, quiet=True).strip() or None
        except GitCallError as error:
            if looks_corrupt(error):
                raise
            return None


class _CorruptMirrorError(Exception):
    def __init__(self, text: str, generation: Path) -> None:
        self.text = text
        self.generation = generation
        super().__init__(text)


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
        fetch = _fetch(build, options)
        checkout = fetch.check_out()
        if options.submodules:
            boundary = options.base_url if fetch.git.local else None
            submodules.check_out(fetch.git, checkout.path, fetch.case.home, boundary)
        return checkout

    @hookimpl
    def thcore_resolve(self, build: Build, options: GitOptions) -> str:
        """Fetch the change into the mirror and say which commit it is. Raises like the checkout."""
        return _fetch(build, options).resolve()

    @hookimpl
    def thcore_preload(self) -> None:
        """Import GitPython: 0.2 s that builds need not spend."""
        library()

    @hookimpl
    def thcore_cleanup(self, attempt: Attempt) -> None:
        """Drop the attempt's refs from the mirrors."""
        forget(_mirrors(attempt.state), attempt.build_id, attempt.number)

    @hookimpl
    def thcore_health(self) -> Iterable[Finding]:
        """Look for a git that is new enough."""
        oldest = ".".join(map(str, _OLDEST_GIT))
        try:
            version = library().Git().version_info
        except InfrastructureError as error:
            return [Finding("git-missing", Severity.UNVERIFIED, str(error), hint=f"install git {oldest} or later")]
        found = ".".join(map(str, version))
        if version < _OLDEST_GIT:
            message = f"git {found} is too old"
            return [Finding("git-too-old", Severity.UNVERIFIED, message, hint=f"install git {oldest} or later")]
        return [Finding("git", Severity.INFO, f"git {found}")]


plugin = GitPlugin()


def _fetch(build: Build, options: GitOptions) -> _Fetch:
    case = case_of(build.change, options.base_url, options.branch)
    bases = tuple(Address.parse(text) for text in (options.base_url, build.change.source) if text)
    local = options.base_url is not None and Address.parse(options.base_url).local
    git = Git(build, options.timeout, local=local, secret=bases)
    mirror = Mirror(_mirrors(build.state) / mirror_name(build.change.project), git)
    return _Fetch(build, options, git, mirror, case)


def _mirrors(state: Path) -> Path:
    return state / "mirrors"
