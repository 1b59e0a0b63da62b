"""``thcore datasets add``: from dumps, and from databases that run."""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from thcore.errors import ExitCode
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.engine import Server

from parts.curator import SEED, Curator
from parts.servers import EMBEDDED, MARIADB, Kind, ground, open_directory, query

PASSWORD = "s3cret'\" \\word"


@pytest.fixture
def curator() -> Iterator[Curator]:
    with open_directory() as path:
        yield Curator.at(path)


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "shop.sql"
    path.write_text(SEED)
    return path


def test_a_dump_becomes_a_dataset_that_verifies(curator: Curator, dump: Path) -> None:
    done = curator.call(
        "add", "shop", "--project", "example/shop", "--dump", str(dump), "--type", "sqlite", "--start", "a",
        "--label", "2026-11",
    )  # fmt: skip
    assert f"shop: made in {curator.datasets}/shop" in done.stdout
    assert "WARNING: ANONYMISE" in done.stderr
    config = curator.config("shop")
    assert config.pop("db_pass")
    assert config == {
        "project": "example/shop", "type": "sqlite", "database": "shop", "db_user": "shop", "seed_data": "seed.sql.zst",
        "version": "2026-11", "start": ["a"],
    }  # fmt: skip
    assert "2 tables, 4 rows" in curator.call("verify", "shop").stdout


def test_what_is_made_is_for_the_account_and_its_group_only(curator: Curator, dump: Path) -> None:
    curator.call("add", "shop", "--project", "p", "--dump", str(dump), "--type", "sqlite")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (curator.datasets / "shop").iterdir()}
    assert modes == {"config.json": 0o640, "seed.sql.zst": 0o640}
    assert stat.S_IMODE((curator.datasets / "shop").stat().st_mode) == 0o750


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        ("-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB\n", "mysql"),
        ("/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\n", "mysql"),
        ("--\n-- PostgreSQL database dump\n--\n", "postgresql"),
    ],
)
def test_a_dump_says_whose_it_is(curator: Curator, tmp_path: Path, head: str, kind: str) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress((head + SEED).encode()))
    made = curator.json("add", "shop", "--project", "p", "--dump", str(path))
    assert (made["type"], made["seed"]) == (kind, "seed.sql.gz")


def test_a_dump_that_does_not_say_whose_it_is_has_to_be_named(curator: Curator, dump: Path) -> None:
    done = curator.call("add", "shop", "--project", "p", "--dump", str(dump), code=ExitCode.UNVERIFIED)
    assert "say it with --type" in done.stderr
    dump.write_bytes(b"PGDMP\x01")
    done = curator.call("add", "shop", "--project", "p", "--dump", str(dump), code=ExitCode.UNVERIFIED)
    assert "pg_restore -f seed.sql" in done.stderr
    assert list(curator.datasets.iterdir()) == []


def test_a_database_of_sqlite_is_a_dump_and_a_source(curator: Curator, tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.executescript(SEED)
    connection.execute("BEGIN")
    connection.execute("INSERT INTO item VALUES (9, 'not committed')")
    curator.call("add", "copied", "--project", "p", "--dump", str(path))
    curator.call("add", "live", "--project", "p", "--url", f"sqlite:///{path}")
    connection.close()
    assert curator.config("live")["seed_data"] == "seed.sqlite.zst"
    assert curator.call("verify").stdout.count("2 tables, 4 rows") == 2


def test_nothing_is_overwritten_and_nothing_half_made_stays(curator: Curator, dump: Path) -> None:
    (curator.datasets / "shop").mkdir()
    done = curator.call(
        "add", "shop", "--project", "p", "--dump", str(dump), "--type", "sqlite", code=ExitCode.UNVERIFIED
    )
    assert "is there already; nothing is overwritten" in done.stderr
    assert list((curator.datasets / "shop").iterdir()) == []
    done = curator.call(
        "add", "new", "--project", "p", "--dump", str(dump), "--type", "sqlite", "--user", "thcore",
        code=ExitCode.UNVERIFIED,
    )  # fmt: skip
    assert "db_user: thcore is our own account" in done.stderr
    assert [path.name for path in curator.datasets.iterdir()] == ["shop"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say where the data comes from"),
        (("--dump", "thcore.yaml", "--url", "mysql://u@h/d"), "say either --dump or --url"),
        (("--dump", "thcore.yaml", "--password-file", "thcore.yaml"), "--password-file is for --url"),
        (("--url", "mysql://u:pw@h/d"), "everyone on this machine can read the password"),
        (("--url", "oracle://u@h/d"), "begins with oracle; there are mysql"),
        (("--url", "mysql://u@h"), "names no database"),
        (("--url", "mysql://h/d"), "names no user"),
        (("--url", "mysql:///d"), "names no user"),
        (("--url", "mysql://u@h/d?ssl_ca=x"), "has ssl_ca"),
        (("--url", "sqlite:////no/such/file"), "there is no file /no/such/file"),
        (("--url", "nonsense"), "is no URL of a database"),
    ],
)
def test_a_source_that_cannot_be_used_is_told(curator: Curator, arguments: tuple[str, ...], words: str) -> None:
    done = curator.call("add", "shop", "--project", "p", *arguments, code=ExitCode.USAGE)
    assert words in " ".join(done.stderr.split())
    assert "pw" not in done.stderr


@pytest.mark.parametrize("name", ["../x", ".x", "a b", ""])
def test_a_name_that_would_lead_elsewhere_is_refused(curator: Curator, dump: Path, name: str) -> None:
    curator.call("add", name, "--project", "p", "--dump", str(dump), "--type", "sqlite", code=ExitCode.USAGE)


LIVE = f"""{SEED}
CREATE VIEW names AS SELECT name FROM item;
"""
MYSQL = """
CREATE TABLE long_text (id INTEGER PRIMARY KEY, body LONGTEXT);
INSERT INTO long_text VALUES (1, 'CREATE DEFINER=`root`@`localhost` \\n/*!50013 DEFINER=`root`@`localhost` */');
CREATE TRIGGER gone BEFORE INSERT ON item FOR EACH ROW SET NEW.name = TRIM(NEW.name);
CREATE PROCEDURE nothing() SELECT 1;
"""
POSTGRESQL = """
CREATE TABLE long_text (id INTEGER PRIMARY KEY, body TEXT);
INSERT INTO long_text VALUES (1, 'x');
CREATE TABLE a (t TEXT);
CREATE TABLE v (at vector(2));
INSERT INTO v VALUES (NULL);
INSERT INTO a VALUES ('COMMENT ON EXTENSION x'), ('CREATE EXTENSION IF NOT EXISTS nothing ');
"""


def fill(server: Server, where: Path, kind: Kind) -> Address:
    address = server.create("shop", "reader", PASSWORD, extensions=() if kind is MARIADB else ("vector",))
    text = where / "live.sql"
    text.write_text(LIVE + (MYSQL if kind is MARIADB else POSTGRESQL))
    return address


def url_of(address: Address, user: str) -> str:
    key = "host" if address.dialect == "postgresql" else "unix_socket"
    host = "" if address.dialect == "postgresql" else "localhost"
    return f"{address.dialect}://{user}@{host}/shop?{key}={address.socket}"


@pytest.mark.system
@pytest.mark.parametrize("kind", [pytest.param(MARIADB, marks=pytest.mark.slow), EMBEDDED], ids=str)
@pytest.mark.parametrize("given", ["file", pytest.param("variable", marks=pytest.mark.slow)])
def test_a_database_that_runs_becomes_a_dataset_of_another_account(curator: Curator, kind: Kind, given: str) -> None:
    with ground(curator.path / "live", kind) as live, live.server() as server:
        address = fill(server, curator.path, kind)
        server.load(live.build, address, curator.path / "live.sql")
        url = url_of(address, "reader")
        arguments = ["add", "shop", "--project", "example/shop"]
        if given == "file":
            (curator.path / "password").write_text(PASSWORD + "\n")
            curator.call(*arguments, "--url", url, "--password-file", str(curator.path / "password"))
        else:
            curator.call(*arguments, THCORE_SOURCE_URL=address.url())
        before = query(address, "SELECT count(*) FROM item")
    config = curator.config("shop")
    assert (config["type"], config["database"], config["db_user"]) == (address.dialect, "shop", "shop")
    assert config.get("extensions") == (None if kind is MARIADB else ["vector"])
    assert config["db_pass"] != PASSWORD
    curator.call("verify", "shop")
    rows = {table["name"]: table["rows"] for table in curator.json("show", "shop")["contents"]["tables"]}
    assert rows == {"alembic_version": 1, "item": before[0][0], "long_text": 1} | (
        {} if kind is MARIADB else {"a": 2, "v": 1}
    )
    asked = curator.call("shell", "shop", text="SELECT count(*) FROM names;\n").stdout
    assert "3" in asked
    if kind is MARIADB:
        assert "DEFINER=`root`" in curator.call("shell", "shop", text="SELECT body FROM long_text;\n").stdout


@pytest.mark.system
def test_no_password_is_ever_in_a_command_line(curator: Curator, tmp_path: Path) -> None:
    """A client that tells how it was called stands in for the real one."""
    told = tmp_path / "told"
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "mariadb-dump").write_text(
        f'#!/bin/sh\ncat /proc/$$/cmdline /proc/$PPID/cmdline > {told}\necho "$MYSQL_PWD" > {told}.env\n'
    )
    (bin_ / "mariadb-dump").chmod(0o755)
    server = shutil.which("mariadbd", path="/usr/sbin:/usr/bin:" + os.environ["PATH"])
    assert server is not None
    settings = f"plugins: {{dbmigration: {{mysql_programs: {bin_}}}}}\n"
    (bin_ / "mariadbd").symlink_to(server)
    with (curator.path / "thcore.yaml").open("a") as stream:
        stream.write(settings)
    curator.call("add", "shop", "--project", "p", THCORE_SOURCE_URL="mysql://u:Unsaid@h/shop")
    assert b"--user=u" in told.read_bytes()
    assert b"Unsaid" not in told.read_bytes()
    assert (tmp_path / "told.env").read_text() == "Unsaid\n"
    assert not any("Unsaid" in path.read_text("utf-8", "replace") for path in curator.path.rglob("*.json"))


@pytest.mark.system
def test_a_database_that_does_not_answer_is_told_in_the_words_of_its_client(curator: Curator) -> None:
    for url in ("mysql://u@localhost/d?unix_socket=/nowhere", "postgresql://u@/d?host=/nowhere"):
        done = curator.call("add", "shop", "--project", "p", "--url", url, code=ExitCode.UNVERIFIED)
        assert "cannot dump d: " in done.stderr
        assert "/nowhere" in done.stderr
    assert list(curator.datasets.iterdir()) == []


@pytest.mark.system
def test_what_is_being_added_when_the_command_is_stopped_leaves_nothing(curator: Curator, tmp_path: Path) -> None:
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    (bin_ / "mariadb-dump").write_text(f"#!/bin/sh\necho > {ready}\nexec sleep 600\n")
    (bin_ / "mariadb-dump").chmod(0o755)
    (bin_ / "mariadbd").symlink_to("/bin/true")
    with (curator.path / "thcore.yaml").open("a") as stream:
        stream.write(f"plugins: {{dbmigration: {{mysql_programs: {bin_}}}}}\n")
    command = [*curator.command, "add", "shop", "--project", "p", "--url", "mysql://u@h/d"]
    with subprocess.Popen(command, env=curator.environment(), cwd=curator.path, stderr=subprocess.PIPE) as running:
        ready.read_text()
        sleepers = [each for each in psutil.Process(running.pid).children(recursive=True) if each.name() == "sleep"]
        running.terminate()
        assert running.wait(60) == ExitCode.CANCELLED
    assert not any(sleeper.is_running() for sleeper in sleepers)
    assert list(curator.datasets.iterdir()) == []
