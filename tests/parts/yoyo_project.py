"""A yoyo project, made where it is needed."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from thcore.model import Checkout, Environment, Provision


class YoyoProject:
    """A checkout with a yoyo.ini and a directory of migrations. Migrations are added by hand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "migrations").mkdir(parents=True)
        self.ini("sources = %(here)s/migrations")

    def ini(self, *lines: str) -> None:
        """Replace yoyo.ini."""
        (self.path / "yoyo.ini").write_text("\n".join(["[DEFAULT]", *lines]) + "\n")

    def file(self, name: str) -> Path:
        """The file of a migration."""
        return self.path / "migrations" / name

    def migration(self, name: str, text: str) -> YoyoProject:
        """Add a migration, a file of Python or SQL."""
        self.file(name).write_text(textwrap.dedent(text))
        return self

    def provision(self) -> Provision:
        """The project, with the interpreter of the tests as its environment."""
        return Provision(Checkout(self.path, "0" * 40), Environment(python=Path(sys.executable)))
