"""Where a project's code declares a column."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from thplugins_dbmigration.walk.model import Declaration, declaration, declared

DECLARATIVE = """
class Other(Base):
    __tablename__ = "other"
    mail = Column(String)


class User(Base):
    mail: Mapped[str] = mapped_column(unique=True)
    __tablename__ = 'users'


class Last(Base):
    name = Column(String)
"""
TABLES = """
other = Table("other", metadata, Column("mail", String))
users = Table(
    "users",
    metadata,
    Column("id", Integer), Column(
        "mail", String, unique=True),
)
"""
DJANGO = """
class User(models.Model):
    boss = models.ForeignKey("User")
    mail = models.EmailField(unique=True)
"""


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.mark.parametrize(
    ("path", "text", "table", "column", "line", "found"),
    [
        ("shop/db.py", DECLARATIVE, "users", "mail", 8, "mail: Mapped[str] = mapped_column(unique=True)"),
        ("shop/db.py", DECLARATIVE, "public.users", "name", 7, "class User(Base):"),
        ("shop/db.py", TABLES, "users", "mail", 6, 'Column("id", Integer), Column('),
        ("src/crm/models.py", DJANGO, "crm_user", "mail", 4, "mail = models.EmailField(unique=True)"),
        ("src/crm/models/user.py", DJANGO, "crm_user", "boss_id", 3, 'boss = models.ForeignKey("User")'),
    ],
)
def test_the_line_of_a_column_is_found(
    tmp_path: Path, path: str, text: str, table: str, column: str, line: int, found: str
) -> None:
    write(tmp_path, path, text)
    write(tmp_path, "shop/migrations/1.py", DECLARATIVE)
    write(tmp_path, "a/tests/models.py", DECLARATIVE)
    assert declaration(tmp_path, table, ("nowhere", column)) == Declaration(path, line, found)


def test_what_is_not_declared_is_not_found(tmp_path: Path) -> None:
    write(tmp_path, "models.py", DECLARATIVE)
    write(tmp_path, "broken.py", textwrap.dedent("__tablename__ = 'users")[:10])
    (tmp_path / "link.py").symlink_to("/etc/passwd")
    (tmp_path / "gone.py").symlink_to("/nowhere")
    assert declaration(tmp_path, "nothing", ("mail",)) is None
    assert declaration(tmp_path / "nowhere", "users", ("mail",)) is None


def test_the_tables_that_models_declare_are_known_and_those_of_migrations_are_not(tmp_path: Path) -> None:
    write(tmp_path, "shop/db.py", DECLARATIVE)
    write(tmp_path, "src/crm/models.py", DJANGO)
    write(tmp_path, "migrations/one.py", 'Table("fax", metadata)')
    assert declared(tmp_path, ["users", "user", "crm_user", "fax", "mail"]) == {"users", "crm_user"}
    assert declared(tmp_path, []) == frozenset()
