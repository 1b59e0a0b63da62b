"""What a dataset's account, and a seed, cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy.exc
from attrs import evolve

from thcore.errors import InfrastructureError
from thcore.model import Secret
from thplugins_dbmigration.engines.postgresql import KEY
from thplugins_dbmigration.engines.postgresql_session import ADMIN

from parts.servers import EMBEDDED, MARIADB, SQLITE, SYSTEM, WITH_SERVER, Kind, ground, query

pytestmark = pytest.mark.system

FORBIDDEN = {
    "mysql": (
        "CREATE DATABASE other",
        "CREATE USER other@localhost",
        "SELECT * FROM mysql.user",
        "SELECT 1 INTO OUTFILE '/tmp/written'",
        "LOAD DATA INFILE '/etc/passwd' INTO TABLE kept",
        "SET GLOBAL max_connections = 5",
        "SHUTDOWN",
    ),
    "postgresql": (
        "CREATE DATABASE other",
        "CREATE ROLE other",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY kept FROM '/etc/passwd'",
        "COPY kept TO PROGRAM 'cat'",
        "SELECT rolpassword FROM pg_authid",
        "ALTER SYSTEM SET fsync = off",
    ),
}


@pytest.mark.parametrize("kind", WITH_SERVER, ids=str)
def test_the_dataset_s_account_owns_its_database_and_nothing_else(kind: Kind, tmp_path: Path) -> None:
    with ground(tmp_path, kind) as made, made.server() as server:
        address = server.create("my_app", "app", "password")
        query(address, "CREATE TABLE kept (line VARCHAR(100))")
        for statement in FORBIDDEN[kind.type]:
            with pytest.raises(sqlalchemy.exc.DBAPIError, match=r"(?i)denied|permission|must be (superuser|owner)"):
                query(address, statement)
        for other in ("thcore", "root", "postgres", "mysql"):
            with pytest.raises(sqlalchemy.exc.OperationalError):
                query(evolve(address, user=other, password=Secret("")), "SELECT 1")
        with pytest.raises(sqlalchemy.exc.OperationalError):
            query(evolve(address, password=Secret("wrong")), "SELECT 1")
        for other in ("mysql",) if kind.type == "mysql" else ("postgres", "template1"):
            with pytest.raises(sqlalchemy.exc.OperationalError, match=r"(?i)denied"):
                query(evolve(address, database=other), "SELECT 1")


@pytest.mark.parametrize("kind", [EMBEDDED, SYSTEM], ids=str)
def test_the_superuser_s_session_begins_after_one_round_of_hashing_and_with_the_right_password_only(
    kind: Kind, tmp_path: Path
) -> None:
    with ground(tmp_path, kind) as made, made.server() as server:
        address = server.create("app", "app", "password")
        password = Secret((made.data / KEY).read_text("utf-8"))
        superuser = evolve(address, user=ADMIN, password=password)
        ((stored,),) = query(superuser, f"SELECT rolpassword FROM pg_authid WHERE rolname = '{ADMIN}'")
        assert stored.startswith("SCRAM-SHA-256$1:")
        assert password.reveal() not in stored
        for wrong in ("", stored, password.reveal()[:-1]):
            with pytest.raises(sqlalchemy.exc.OperationalError, match="password"):
                query(evolve(superuser, password=Secret(wrong)), "SELECT 1")


def test_an_underscore_in_a_name_is_no_wildcard_in_its_grant(tmp_path: Path) -> None:
    with ground(tmp_path, MARIADB) as made, made.server() as server:
        address = server.create("my_app", "app", "password")
        with pytest.raises(sqlalchemy.exc.DBAPIError, match="denied"):
            query(address, "CREATE DATABASE myXapp")


def test_a_seed_may_call_its_user_root(tmp_path: Path) -> None:
    with ground(tmp_path, MARIADB) as made, made.server() as server:
        address = server.create("app", "root", "password")
        assert query(address, "SELECT 1") == [(1,)]
        with pytest.raises(sqlalchemy.exc.DBAPIError, match="denied"):
            query(address, "CREATE DATABASE other")


@pytest.mark.parametrize("kind", [MARIADB, EMBEDDED, SYSTEM], ids=str)
@pytest.mark.parametrize("command", ["\\! touch {}", "SELECT 1; \\! touch {}"])
def test_a_seed_cannot_start_programs(kind: Kind, command: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with ground(tmp_path, kind) as made, made.server() as server:
        address = server.create("app", "app", "password")
        seed = made.seed("CREATE TABLE first (id INTEGER);\n" + command.format(trace) + "\n")
        with pytest.raises(InfrastructureError, match=r"seed\.sql") as caught:
            server.load(made.build, address, seed)
        assert caught.value.code == "seed-not-loaded"
    assert not trace.exists()


@pytest.mark.parametrize("kind", [EMBEDDED, SYSTEM], ids=str)
def test_a_dump_that_restricts_psql_itself_is_loaded_and_keeps_its_line_numbers(kind: Kind, tmp_path: Path) -> None:
    with ground(tmp_path, kind) as made, made.server() as server:
        address = server.create("app", "app", "password")
        dump = "--\n\\restrict abcDEF\nCREATE TABLE a (id INTEGER);\nCOPY a FROM stdin;\n1\n\\.\n\\unrestrict abcDEF\n"
        server.load(made.build, address, made.seed(dump))
        assert query(address, "SELECT id FROM a") == [(1,)]
        with pytest.raises(InfrastructureError, match=r":4:.*nothing"):
            server.load(made.build, address, made.seed("\\restrict x1\n\n\nSELECT nothing;\n\\unrestrict x1\n"))


def test_extensions_are_made_for_the_dataset_s_account(tmp_path: Path) -> None:
    with ground(tmp_path, SYSTEM) as made, made.server() as server:
        address = server.create("app", "app", "password", extensions=("pg_trgm",))
        assert query(address, "SELECT similarity('word', 'word')") == [(1.0,)]
        query(address, "COMMENT ON EXTENSION pg_trgm IS 'as dumps say'")


def test_an_extension_that_is_not_there_is_an_infrastructure_error(tmp_path: Path) -> None:
    with ground(tmp_path, EMBEDDED) as made, made.server() as server, pytest.raises(InfrastructureError, match="nix"):
        server.create("app", "app", "password", extensions=("nix",))


def test_a_database_has_the_character_set_that_its_dataset_asks_for(tmp_path: Path) -> None:
    with ground(tmp_path, MARIADB) as made, made.server() as server:
        old = server.create("old", "old", "password", character_set="utf8mb3")
        new = server.create("new", "new", "password")
        assert query(old, "SELECT @@character_set_database") == [("utf8mb3",)]
        assert query(new, "SELECT @@character_set_database") == [("utf8mb4",)]


def test_an_sqlite_seed_touches_no_other_file(tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    with ground(tmp_path, SQLITE) as made, made.server() as server:
        address = server.create("app", "", "")
        seed = made.seed(f"CREATE TABLE a (id INTEGER);\nATTACH DATABASE '{other}' AS other;\n")
        with pytest.raises(InfrastructureError, match="line 2: not authorized"):
            server.load(made.build, address, seed)
        seed = made.seed(f"VACUUM INTO '{other}';\n")
        with pytest.raises(InfrastructureError, match="line 1: "):
            server.load(made.build, address, seed)
    assert not other.exists()
