"""Real git repositories with changes, as a review system and Zuul's merger publish them, and a server for them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from thcore.testing.tree import write_tree

__all__ = ["Repository", "files_below"]

_ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "An Author",
    "GIT_AUTHOR_EMAIL": "author@example.org",
    "GIT_COMMITTER_NAME": "A Committer",
    "GIT_COMMITTER_EMAIL": "committer@example.org",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "PATH": os.environ["PATH"],
}


class Repository:
    """A repository with a work tree at ``path``; its first commit is on ``main``. Files that begin with ``#!`` can be
    executed."""

    def __init__(self, path: Path, files: Mapping[str, str] | None = None) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit(files or {"README": "first\n"}, "first")

    @property
    def url(self) -> str:
        """Where to fetch it from."""
        return str(self.path)

    def git(self, *argv: str) -> str:
        """Run git in the work tree and answer what it prints."""
        command = ["git", "-c", "protocol.file.allow=always", *argv]
        result = subprocess.run(command, cwd=self.path, env=_ENVIRONMENT, check=True, capture_output=True, text=True)
        return result.stdout.strip()

    def commit(self, files: Mapping[str, str], message: str = "change") -> str:
        """Write files, commit them on what is checked out, and answer the commit."""
        write_tree(self.path, files)
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.head()

    def head(self, name: str = "HEAD") -> str:
        """The commit that a name means."""
        return self.git("rev-parse", f"{name}^{{commit}}")

    def branch(self, name: str, files: Mapping[str, str] | None = None) -> str:
        """Make a branch with one more commit, and go back to ``main``."""
        self.git("checkout", "--quiet", "-b", name)
        commit = self.commit(files or {f"on-{name.replace('/', '-')}": f"{name}\n"}, f"on {name}")
        self.git("checkout", "--quiet", "main")
        return commit

    def tag(self, name: str) -> str:
        """Make an annotated tag at what is checked out; answers the tag object, not the commit."""
        self.git("tag", "--annotate", "-m", f"release {name}", name)
        return self.git("rev-parse", f"refs/tags/{name}")

    def change(self, ref: str, files: Mapping[str, str], on: str = "main") -> str:
        """Publish a commit under ``ref`` only, such as ``refs/changes/45/12345/2``; no branch has it."""
        self.git("checkout", "--quiet", "--detach", on)
        commit = self.commit(files, ref)
        self.git("update-ref", ref, commit)
        self.git("checkout", "--quiet", "main")
        return commit

    def drop(self, ref: str) -> None:
        """Remove a ref."""
        self.git("update-ref", "-d", ref)

    def submodule(self, url: str, path: str) -> str:
        """Add a submodule and commit it. A relative URL counts from this repository's own address."""
        self.git("config", "remote.origin.url", self.url)
        self.git("submodule", "--quiet", "add", "--force", url, path)
        self.git("commit", "--quiet", "-m", f"submodule {path}")
        return self.head()


def files_below(directory: Path) -> dict[str, str]:
    """The files of a directory, to make a repository of."""
    return {
        str(path.relative_to(directory)): path.read_text("utf-8")
        for path in sorted(directory.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
