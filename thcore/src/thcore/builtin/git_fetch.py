"""One change on its way from a remote into the mirror, and from there into a work tree."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self, TypeVar

from attrs import field, frozen

from thcore.builtin import trees
from thcore.builtin.fetch_case import Case, case_of
from thcore.builtin.git_options import GitOptions
from thcore.builtin.git_process import Address, Git, GitCallError, pause
from thcore.builtin.mirrors import Mirror, attempt_refs, looks_corrupt, mirror_name
from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import Checkout

T = TypeVar("T")

MIRRORS = "mirrors"
TREES = "trees"
"""Where they are below what the plugin keeps."""

_NO_SUCH_REF = re.compile(r"couldn't find remote ref|not our ref|unadvertised object|no such remote ref", re.IGNORECASE)
_PAUSES_S = (1.0, 4.0, 10.0)


@frozen
class Fetch:
    """One change, brought into the mirror, and from there into a work tree if that is wanted."""

    build: Build
    options: GitOptions
    git: Git
    mirror: Mirror
    case: Case
    ref: str = field()

    @classmethod
    def of(cls, build: Build, options: GitOptions) -> Self:
        """What it takes to fetch a build's change. Raises ChangeError and InfrastructureError."""
        case = case_of(build.change, options.base_url, options.branch)
        bases = tuple(Address.parse(text) for text in (options.base_url, build.change.source) if text)
        local = options.base_url is not None and Address.parse(options.base_url).local
        git = Git(build, options.timeout, local=local, secret=bases)
        mirror = Mirror(build.state / MIRRORS / mirror_name(build.change.project), git)
        return cls(build, options, git, mirror, case)

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
        return self._sound(lambda max_age_s: self._fetched(max_age_s)[1])

    def _sound(self, work: Callable[[float], T]) -> T:
        """Do the work; once more from a new mirror if this one is corrupt. ``work`` is given the age that the mirror's
        own branches may have."""
        try:
            return work(self.options.refresh)
        except _CorruptMirrorError as corrupt:
            self.build.log(f"the mirror of {self.build.change.project} is corrupt and is made anew", source="git")
            self.mirror.replace(corrupt.generation)
        except OSError as error:
            raise InfrastructureError(
                f"{self.build.change.project} cannot be checked out: {error}", code="fetch-failed"
            ) from error
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

    def _check_out(self, max_age_s: float) -> Checkout:
        generation, commit = self._fetched(max_age_s)
        source = self.build.workspace.source
        shutil.rmtree(source, ignore_errors=True)
        if self._take(source):
            try:
                return self._laid_out(generation, commit, source, lent=True)
            except (GitCallError, OSError) as error:
                self.build.log(f"a work tree that was ready is of no use: {error}", source="git")
                shutil.rmtree(source, ignore_errors=True)
        try:
            return self._laid_out(generation, commit, source, lent=False)
        except GitCallError as error:
            raise self._judged(error, generation) from error

    def _laid_out(self, generation: Path, commit: str, source: Path, *, lent: bool) -> Checkout:
        trees.borrow(self.git, generation, self.case.home, source, lent=lent)
        trees.check_out(self.git, source, commit)
        self.mirror.tidy(generation)
        return Checkout(source, commit)

    def _fetched(self, max_age_s: float) -> tuple[Path, str]:
        """The generation that has the commit and will be kept while this build has its ref in there, and the commit."""
        self.mirror.refresh(self.case.home, max_age_s)
        with self.mirror.used() as generation:
            try:
                return generation, self._commit(generation)
            except GitCallError as error:
                raise self._judged(error, generation) from error

    def _take(self, source: Path) -> bool:
        if not self.options.spare_trees or self.case.branch is None:
            return False
        stock = trees.Stock(self.build.state / TREES, self.build.change.project, self.case.branch)
        try:
            return stock.take(source)
        except OSError:  # a full disk is told by whoever needs the space
            return False

    def _judged(self, error: GitCallError, generation: Path) -> Exception:
        if looks_corrupt(error):
            return _CorruptMirrorError(error.text, generation)
        return InfrastructureError(
            f"{self.build.change.project} cannot be checked out: {error.text}",
            code="fetch-failed",
        )

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
            found, tip = self._tip(generation)
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

    def _tip(self, generation: Path) -> tuple[str, str | None]:
        """What this build's own ref names, which may be a tag, and the commit that this means."""
        try:
            words = self.git("rev-parse", self.ref, f"{self.ref}^{{commit}}", directory=generation, quiet=True).split()
        except GitCallError:  # no commit, or a corrupt mirror, which the next call says
            return self.git("rev-parse", "--verify", "--quiet", self.ref, directory=generation).strip(), self._named(
                generation, self.ref
            )
        return words[0], words[1]

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
