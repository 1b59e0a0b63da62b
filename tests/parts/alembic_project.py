"""Small Alembic projects, written to disk."""

from __future__ import annotations

import hashlib
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from thcore.model import Checkout, Environment, Provision

ENV = """
from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""


class AlembicProject:
    """A checkout with an Alembic environment. Revisions are added by hand."""

    def __init__(self, path: Path, *, env: str = ENV) -> None:
        self.path = path
        versions = path / "migrations" / "versions"
        versions.mkdir(parents=True)
        (path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
        self.env(env)

    def env(self, text: str) -> None:
        """Replace env.py."""
        (self.path / "migrations" / "env.py").write_text(textwrap.dedent(text))

    def file(self, revision: str) -> Path:
        """The file of a revision."""
        return self.path / "migrations" / "versions" / f"{revision}.py"

    def revision(
        self,
        revision: str,
        parents: str | Sequence[str] | None,
        *statements: str,
        body: str = "",
        depends_on: str | None = None,
        label: str | Sequence[str] | None = None,
        top: str = "",
        back: Sequence[str] | str | None = None,
    ) -> AlembicProject:
        """Add a revision that runs SQL statements, and then ``body``, Python code. ``back``, statements or code, is how
        it is taken back."""
        down = tuple(parents) if parents is not None and not isinstance(parents, str) else parents
        lines = [f"op.execute({statement!r})" for statement in statements] + textwrap.dedent(body).splitlines()
        code = textwrap.indent("\n".join(lines or ["pass"]), "    ")
        self.file(revision).write_text(
            f'"""Step {revision}"""\n\nfrom alembic import op\n{top}\n'
            f"revision = {revision!r}\ndown_revision = {down!r}\ndepends_on = {depends_on!r}\n"
            + (f"branch_labels = {label!r}\n" if label else "")
            + "\n\n"
            f"def upgrade():\n{code}\n" + ("" if back is None else f"\n\ndef downgrade():\n{_body(back)}\n")
        )
        return self

    def provision(self) -> Provision:
        """The project, with the interpreter of the tests as its environment; another commit for every content."""
        content = hashlib.sha1(usedforsecurity=False)
        for path in sorted(self.path.rglob("*.*")):
            if path.is_file() and path.suffix != ".pyc":
                content.update(str(path.relative_to(self.path)).encode() + b"\0" + path.read_bytes() + b"\0")
        return Provision(Checkout(self.path, content.hexdigest()), Environment(python=Path(sys.executable)))


def _body(back: Sequence[str] | str) -> str:
    lines = back.splitlines() if isinstance(back, str) else [f"op.execute({statement!r})" for statement in back]
    return textwrap.indent("\n".join(lines or ["pass"]), "    ")
