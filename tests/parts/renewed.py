"""A project on three engines whose seeds and whose requirement are made new again and again, and changes to it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import alembic

from thcore.testing.repository import Repository

from parts.alembic_project import AlembicProject
from parts.dataset import write_dataset
from parts.package import wheel

KINDS = ("mysql", "postgresql", "sqlite")
PROJECT = "example/shop"
ROWS = 2_000
_BATCH = 500
_LOOK = """
import needed
from sqlalchemy import text
bind = op.get_bind()
found = tuple(bind.execute(text("SELECT count(*), sum(id), min(mark), max(mark) FROM things")).one())
mark = {marks}[bind.dialect.name]
assert found == ({rows}, {total}, mark, mark), f"wrong data: {{found}}"
assert needed.VALUE == {value}, f"wrong environment: {{needed.VALUE}}"
"""


class Renewed:
    """Below ``root``: the project's repository, a dataset for each of ``KINDS`` and the wheels that it needs, so that
    no index is asked.

    Each seed has the same mark in all its rows; the one package has a number: both are counted up to make them new.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.marks = dict.fromkeys(KINDS, 0)
        self.value = 0
        self.repository = Repository(root / "origin" / PROJECT)
        AlembicProject(self.repository.path).revision("0001", None).revision(
            "0002", "0001", "ALTER TABLE things ADD COLUMN note VARCHAR(20)", "UPDATE things SET note = 'trunk'"
        )
        for kind in KINDS:
            write_dataset(root / kind, kind, self._seed(0), type=kind)
        self.require_another()

    def jobs(self) -> list[dict[str, Any]]:
        """A job for each kind, of its name."""
        venv = {"find_links": [str(self.root / "wheels")], "offline": True}
        return [
            {"name": kind, "plugins": {"dbmigration": {"datasets": str(self.root / kind)}, "venv": venv}}
            for kind in KINDS
        ]

    def reseed(self, kinds: Iterable[str]) -> None:
        """Give the datasets other rows."""
        for kind in kinds:
            self.marks[kind] += 1
            (self.root / kind / kind / "seed.sql").write_text(self._seed(self.marks[kind]))

    def require_another(self) -> None:
        """Have trunk require another version of the package."""
        self.value += 1
        # The tool and the drivers are the tests' own.
        path = {"needed.pth": f"{Path(alembic.__file__).parents[1]}\n"}
        wheel(self.root / "wheels", "needed", f"{self.value}.0", text=f"VALUE = {self.value}\n", beside=path)
        self.repository.commit({"requirements.txt": f"needed=={self.value}.0\n"}, f"needed {self.value}")

    def good(self, number: int) -> str:
        """The ref of a change that fails unless it meets exactly the present rows in the present environment."""
        values = {"marks": self.marks, "rows": ROWS, "total": ROWS * (ROWS - 1) // 2, "value": self.value}
        return self._change(number, 1, textwrap.dedent(_LOOK).format(**values))

    def bad(self, number: int) -> str:
        """The ref of a change that no real rows let pass."""
        return self._change(number, 2, 'op.execute("CREATE UNIQUE INDEX things_mark ON things (mark)")')

    def _change(self, number: int, patchset: int, body: str) -> str:
        place = self.root / "changes" / f"{number}-{patchset}"
        revision = AlembicProject(place).revision("0003", "0002", body=body).file("0003")
        ref = f"refs/changes/{number % 100:02}/{number}/{patchset}"
        self.repository.change(ref, {revision.relative_to(place).as_posix(): revision.read_text()})
        return ref

    @staticmethod
    def _seed(mark: int) -> str:
        lines = ["CREATE TABLE things (id INTEGER PRIMARY KEY, mark INTEGER, filling VARCHAR(200));"]
        for first in range(0, ROWS, _BATCH):
            rows = ", ".join(f"({number}, {mark}, '{'x' * 200}')" for number in range(first, first + _BATCH))
            lines.append(f"INSERT INTO things VALUES {rows};")
        lines.append("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);")
        lines.append("INSERT INTO alembic_version VALUES ('0001');")
        return "\n".join(lines) + "\n"
