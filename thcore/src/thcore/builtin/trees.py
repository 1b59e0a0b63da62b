"""Work trees that are made before a build wants one, each lent once.

::

    trees/BOOT/PROJECT/BRANCH/
        lock          held alone: to make trees
        used          names the branch; touched by each build that asks for a tree
        ready-N/      a tree, whose repository counts while the mirror is not refreshed
        new-N/        half made

To write a large tree takes seconds, to rename one no time. Programs of a change have run in a tree that was lent: what
they left in its files, times, index or configuration is nobody's business, because it is removed with its build and
never comes back here. BOOT is the machine's current one: files that were written before a crash may be incomplete.
"""

from __future__ import annotations

import contextlib
import glob
import shutil
import time
from pathlib import Path

from attrs import evolve, field, frozen

from thcore.builtin import mirrors
from thcore.builtin.git_process import Address, Git, GitCallError
from thcore.builtin.lock import locked_if_free
from thcore.errors import InfrastructureError
from thcore.hooks import scatter

_UNUSED_S = 24 * 3600.0
_CALL_S = 300.0
_LARGE_INDEX = 100_000  # bytes; some thousand files, which take longer to read than to look at


def boot() -> str:
    """Names the time since the machine was started."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def borrow(git: Git, generation: Path, home: Address, target: Path, *, lent: bool) -> None:
    """Make the repository of a work tree, without files yet or, where ``target`` was lent, around its files.

    It has no objects of its own: nothing that happens to it can reach the mirror's refs. What was made with a tree is
    as good as new while the mirror has got no new branches and tags: no program has been at it. Raises GitCallError and
    OSError.
    """
    if not lent or not _current(target, generation):
        _make(git, generation, target, lent=lent)
    # Relative URLs of submodules count from here, and the project's programs may look at it.
    git("config", "remote.origin.url", home.url, directory=target)


def _current(target: Path, generation: Path) -> bool:
    alternates, refreshed = target / ".git" / "objects" / "info" / "alternates", generation / "refreshed"
    if not alternates.exists() or alternates.read_text("utf-8") != f"{generation / 'objects'}\n":
        return False
    return refreshed.exists() and refreshed.stat().st_mtime_ns < alternates.stat().st_mtime_ns


def _make(git: Git, generation: Path, target: Path, *, lent: bool) -> None:
    new = target.with_name(f"{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    quiet = ("--quiet", "--shared", "--no-checkout", "--template=", "--no-recurse-submodules")
    # The mirror is a directory of this machine, wherever what is in it was fetched from.
    evolve(git, local=True)("clone", *quiet, "--", str(generation), str(new), quiet=True)
    if lent:
        (target / ".git" / "index").rename(new / ".git" / "index")
        shutil.rmtree(target / ".git")
        (new / ".git").rename(target / ".git")
        new.rmdir()
    else:
        new.rename(target)


def check_out(git: Git, target: Path, commit: str) -> None:
    """Bring a work tree to a commit. Raises GitCallError.

    What git knows of the files of a lent one includes their times of change (ctime), which nobody can set.
    """
    git("checkout", "--quiet", "--force", "--detach", commit, directory=target)


@frozen
class Stock:
    """The trees of one branch of a project."""

    trees: Path
    project: str
    branch: str
    directory: Path = field()

    @directory.default
    def _place(self) -> Path:
        return self.trees / boot() / mirrors.mirror_name(self.project) / mirrors.mirror_name(self.branch)

    def take(self, target: Path) -> bool:
        """Move a tree to ``target``. False when there is none, or none that can be moved to there."""
        self.directory.mkdir(parents=True, exist_ok=True)
        scatter(self.directory)
        used = self.directory / "used"
        if used.exists():
            used.touch()
        else:
            used.write_text(self.branch, "utf-8")
        target.parent.mkdir(parents=True, exist_ok=True)
        # One of another branch is better than none: only files that differ are written.
        others = (path for path in self.directory.parent.iterdir() if path != self.directory and path.is_dir())
        for tree in (*_ready(self.directory), *(tree for other in others for tree in _ready(other))):
            try:
                tree.rename(target)
            except FileNotFoundError:  # another build was quicker
                continue
            except OSError:  # the workspace is on another file system
                return False
            return True
        return False


def restock(trees: Path, all_mirrors: Path, count: int) -> None:
    """Make ``count`` trees ready for each branch that builds asked for lately, and remove what nobody asks for.

    More than ``count`` are left to the jobs that want them.

    Called when builds have ended: none waits for it. Whatever goes wrong, builds make their trees themselves.
    """
    now = boot()
    for past in trees.iterdir() if trees.is_dir() else ():
        if past.name != now:
            shutil.rmtree(past, ignore_errors=True)
    # Unlike Path.glob, glob.glob passes over a directory that another process removes meanwhile.
    for found in glob.glob("*/*/used", root_dir=trees / now):  # noqa: PTH207
        used = trees / now / found
        place = used.parent
        with locked_if_free(place / "lock") as held, contextlib.suppress(OSError, InfrastructureError, GitCallError):
            if not held:
                continue
            for half_made in place.glob("new-*"):
                shutil.rmtree(half_made, ignore_errors=True)
            if time.time() - used.stat().st_mtime > _UNUSED_S:
                shutil.rmtree(place)
            elif generation := mirrors.current(all_mirrors / place.parent.name):
                _fill(place, generation, used.read_text("utf-8"), count)


def _fill(place: Path, generation: Path, branch: str, count: int) -> None:
    git = Git(_Nobody(), _CALL_S, local=True)
    while len(_ready(place)) < count:
        tip = ("--verify", "--end-of-options", f"refs/heads/{branch}^{{commit}}")
        commit = git("rev-parse", *tip, directory=generation, quiet=True).strip()
        number = time.time_ns()
        made = place / f"new-{number}"
        try:
            borrow(git, generation, Address.parse(str(generation)), made, lent=False)
            check_out(git, made, commit)
            _settle(git, made)
            made.rename(place / f"ready-{number}")
        finally:
            for rest in place.glob("new-*"):
                shutil.rmtree(rest, ignore_errors=True)


def _settle(git: Git, tree: Path) -> None:
    """Spare a build that git reads the files again.

    It does so with all that are as young as the index, to the second: whoever wrote them then may have written again
    unseen. An index that is written in a later second, after such a look, trusts them.
    """
    if (tree / ".git" / "index").stat().st_size > _LARGE_INDEX:
        time.sleep(1.0 - time.time() % 1.0)
        git("update-index", "-q", "--refresh", "--force-write-index", directory=tree, quiet=True)


def _ready(place: Path) -> list[Path]:
    """Newest first: those differ least from what is wanted."""
    return sorted(place.glob("ready-*"), reverse=True)


class _Nobody:
    """Asks for git where there is no build."""

    def check(self) -> None:
        """Nobody tells it to stop."""

    def log(self, message: str, *, source: str = "") -> None:
        """Nobody listens."""
