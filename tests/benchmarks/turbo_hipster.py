"""How turbo-hipster judged a change: everything anew for each."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import define, field, frozen

EXPRESSIONS = (r".*\[-\] (\d+) -> (\d+)\.\.\.", r".*\[-\] done", r".*(Innodb_\w+) was (\d+) is (\d+)")
"""What it looked for in the log of a migration."""


def find_lines(log: Path) -> int:
    """How many lines say something, found as its log parser did: line by line, one expression after the other."""
    expressions = [re.compile(expression) for expression in EXPRESSIONS]
    with log.open(encoding="utf-8") as lines:
        return sum(any(expression.search(line) for expression in expressions) for line in lines)


@frozen
class Stop:
    """Where the way is interrupted for a fix-up: what brings the checkout there, and what the client is given then."""

    files: Mapping[str, str]
    script: Path


@define
class Attempt:
    """Judges one change. ``client`` loads SQL into the dataset's database; ``command`` is the project's own, run in the
    checkout with the environment's programs first. ``seconds`` is what each stage took."""

    place: Path
    origin: Path
    client: Sequence[str]
    command: Sequence[str]
    variables: Mapping[str, str]
    requirements: Path
    pip_cache: Path
    python: Path
    seconds: dict[str, float] = field(factory=dict)

    @property
    def checkout(self) -> Path:
        return self.place / "checkout"

    @property
    def log(self) -> Path:
        return self.place / "migrations.log"

    def judge(self, ref: str, seed: Path, stops: Sequence[Stop] = ()) -> None:
        """Take the dataset to the target branch and then through the change."""
        with self._timed("clone, fetch, checkout"):
            self._run("git", "clone", "--quiet", str(self.origin), str(self.checkout))
            self._git("fetch", "--quiet", "origin", ref)
        with self._timed("virtualenv, pip"):
            self.install()
        with self._timed("drop and load the dump"):
            subprocess.run([*self.client, "-e", "DROP DATABASE app; CREATE DATABASE app"], check=True)
            self._load(seed)
        with self._timed("all steps again"):
            for stop in stops:
                for name, text in stop.files.items():
                    (self.checkout / name).write_text(text)
                self.migrate()
                self._load(stop.script)
            self._git("checkout", "--quiet", "--force", "origin/main")
            self.migrate()
        with self._timed("the change's step"):
            self._git("checkout", "--quiet", "FETCH_HEAD")
            self.migrate()
        with self._timed("read the log"):
            find_lines(self.log)

    def install(self) -> None:
        """An environment of its own."""
        self._run(str(self.python), "-m", "venv", str(self.place / "venv"))
        pip = (str(self.place / "venv/bin/pip"), "--quiet", "--disable-pip-version-check")
        pip += ("--cache-dir", str(self.pip_cache), "install")
        self._run(*pip, "-r", str(self.requirements))
        if (self.checkout / "pyproject.toml").exists():
            self._run(*pip, "--no-deps", "-e", str(self.checkout))

    def migrate(self) -> float:
        """Run the project's command; the seconds that it took."""
        path = f"{self.place / 'venv/bin'}:{os.environ['PATH']}"
        began = time.perf_counter()
        with self.log.open("ab") as log:
            subprocess.run(
                self.command,
                cwd=self.checkout,
                env={**self.variables, "PATH": path},
                stdout=log,
                stderr=log,
                check=True,
            )
        return time.perf_counter() - began

    def remove(self) -> None:
        """Remove all that it has made, but for the database."""
        shutil.rmtree(self.place)

    def _load(self, script: Path) -> None:
        with script.open("rb") as stream:
            subprocess.run(self.client, stdin=stream, check=True, stdout=subprocess.DEVNULL)

    def _git(self, *argv: str) -> None:
        self._run("git", "-C", str(self.checkout), *argv)

    def _run(self, *argv: str) -> None:
        done = subprocess.run(argv, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    @contextlib.contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0) + time.perf_counter() - began
