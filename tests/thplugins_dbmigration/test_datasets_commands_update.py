"""``thcore datasets update`` and ``shell``: walking a dataset of a project with release branches, on real servers."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from thcore.errors import ExitCode

from parts.curator import RELEASES, SEED, Curator
from parts.dataset import write_dataset

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
SERVERS = ["mysql", "postgresql"]
OVERLAY = "INSERT INTO item VALUES (4, 'hoe');\n"


@pytest.fixture
def curator(tmp_path: Path) -> Curator:
    made = Curator.at(tmp_path)
    made.make_project()
    return made


def dataset(curator: Curator, engine: str = "sqlite", **keys: Any) -> Path:
    directory = write_dataset(
        curator.datasets, "shop", SEED,
        **{"type": engine, "start": ["a"], "overlays": ["more.sql"], "version": "1", "releases": RELEASES, **keys},
    )  # fmt: skip
    (directory / "more.sql").write_text(OVERLAY)
    (directory / "fix.sql").write_text("delete from item where id = 3;\n")
    return directory


def rows(curator: Curator, name: str) -> dict[str, int]:
    tables = curator.json("show", name)["contents"]["tables"]
    return {table["name"]: table["rows"] for table in tables}


@pytest.mark.parametrize("engine", ["sqlite", "postgresql", pytest.param("mysql", marks=pytest.mark.slow)])
def test_a_dataset_walks_to_a_release_which_is_its_new_start(curator: Curator, engine: str) -> None:
    directory = dataset(curator, engine)
    old = curator.config("shop")
    done = curator.call("update", "shop", "--to", "kilo")
    assert "shop: now at kilo; start: c; releases left: liberty\n" in done.stdout
    assert "release kilo: b->c" in done.stderr
    seed = "seed-kilo.sqlite.zst" if engine == "sqlite" else "seed-kilo.sql.zst"
    expected = {**old, "seed_data": seed, "start": ["c"], "version": "1+kilo", "releases": RELEASES[1:]}
    del expected["overlays"]
    assert curator.config("shop") == expected
    assert rows(curator, "shop") == {"alembic_version": 1, "item": 3}
    assert curator.call("verify", "shop", "--again").stdout.startswith("shop: whole")
    assert f"mv {directory}/before-kilo.json {directory}/config.json" in done.stdout
    (directory / "before-kilo.json").rename(directory / "config.json")
    assert curator.config("shop") == old
    assert rows(curator, "shop")["item"] == 4


@pytest.mark.parametrize("engine", ["sqlite", *(pytest.param(name, marks=pytest.mark.slow) for name in SERVERS)])
def test_a_new_dataset_leaves_the_old_one_as_it_is(curator: Curator, engine: str) -> None:
    directory = dataset(curator, engine)
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    made = curator.json("update", "shop", "--to", "liberty", "--as", "shop_liberty", "--label", "2026-12")
    assert (made["dataset"], made["start"], made["releases"]) == ("shop_liberty", ["d"], [])
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before
    assert curator.config("shop_liberty")["version"] == "2026-12"
    assert sorted(path.name for path in curator.datasets.iterdir()) == ["shop", "shop_liberty"]
    asked = curator.call("shell", "shop_liberty", text="SELECT sum(price) FROM item;\n").stdout
    assert "3" in asked


def test_an_updated_dataset_climbs_on_from_where_it_is(curator: Curator) -> None:
    dataset(curator)
    curator.call("update", "shop", "--to", "kilo")
    done = curator.call("update", "shop", "--to", "liberty")
    assert "release liberty: c->d" in done.stderr
    assert "release kilo" not in done.stderr
    assert curator.config("shop")["version"] == "1+kilo+liberty"
    asked = curator.call("shell", "shop", "--at", "trunk", text="SELECT version_num FROM alembic_version;\n")
    assert asked.stdout == "e\n"


def test_releases_of_the_job_are_climbed_too_and_become_the_datasets_own(curator: Curator) -> None:
    dataset(curator, releases=None)
    text = (curator.path / "thcore.yaml").read_text()
    declared = "releases: [{name: kilo, tag: kilo, fixups: [{at: b, sql: fix.sql}]}, {name: next, branch: liberty}]"
    (curator.path / "thcore.yaml").write_text(text.replace("/datasets}", f"/datasets, {declared}}}"))
    curator.call("update", "shop", "--to", "kilo")
    assert curator.config("shop")["releases"] == [{"name": "next", "branch": "liberty"}]


def test_a_version_that_another_tool_does_not_look_at_is_left_out(curator: Curator) -> None:
    dataset(curator, tool="alembic", releases=[RELEASES[0], {**RELEASES[1], "tool": "yoyo"}])
    done = curator.call("update", "shop", "--to", "kilo")
    assert "start: not said, because kilo keeps its version where another tool does not look" in done.stdout
    assert "start" not in curator.config("shop")


def test_files_that_are_still_needed_come_along(curator: Curator) -> None:
    directory = dataset(curator, fixups=[{"at": "d", "sql": "sql/later.sql"}], logging_conf="logging.conf")
    (directory / "sql").mkdir()
    (directory / "sql" / "later.sql").write_text("SELECT 1;\n")
    (directory / "logging.conf").write_text("[x]\n")
    curator.call("update", "shop", "--to", "kilo", "--as", "newer")
    names = {str(path.relative_to(curator.datasets / "newer")) for path in (curator.datasets / "newer").rglob("*")}
    assert names == {"config.json", "seed-kilo.sqlite.zst", "sql", "sql/later.sql", "logging.conf"}
    assert curator.call("verify", "newer").stdout.startswith("newer: whole")


def test_a_walk_that_does_not_get_there_changes_nothing(curator: Curator) -> None:
    directory = dataset(curator)
    (directory / "fix.sql").write_text("SELECT 1;\n")
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    done = curator.call("update", "shop", "--to", "kilo", code=ExitCode.UNVERIFIED)
    assert "Error: " in done.stderr
    assert "UNIQUE constraint failed: item.name" in done.stderr
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before
    assert [path.name for path in curator.datasets.iterdir()] == ["shop"]


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("dumping", marks=pytest.mark.slow),
        "loading seed-kilo",
        pytest.param("comparing", marks=pytest.mark.slow),
    ],
)
def test_a_command_that_is_killed_leaves_the_old_or_the_new_and_the_next_one_cleans_up(
    curator: Curator, moment: str
) -> None:
    dataset(curator)
    old = curator.config("shop")
    command = [*curator.command, "update", "shop", "--to", "kilo"]
    with subprocess.Popen(
        command, env=curator.environment(), cwd=curator.path, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        assert any(moment in line for line in running.stderr)
        running.kill()
    shutil.rmtree(curator.path / "state" / "run")
    assert [card["name"] for card in curator.json("list")] == ["shop"]
    assert curator.call("verify", "shop").stdout.startswith("shop: whole")
    if curator.config("shop") == old:
        curator.call("update", "shop", "--to", "kilo")
    assert curator.config("shop")["start"] == ["c"]
    assert [path.name for path in curator.datasets.iterdir()] == ["shop"]


def test_a_name_that_is_taken_changes_nothing(curator: Curator) -> None:
    directory = dataset(curator)
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    (curator.datasets / "taken").mkdir()
    done = curator.call("update", "shop", "--to", "kilo", "--as", "taken", code=ExitCode.UNVERIFIED)
    assert "is there already; nothing is overwritten" in done.stderr
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_only_a_release_that_is_declared_can_be_walked_to(curator: Curator) -> None:
    dataset(curator)
    done = curator.call("update", "shop", "--to", "juno", code=ExitCode.USAGE)
    assert "climbs through no release 'juno'; there is kilo, liberty" in " ".join(done.stderr.split())
    done = curator.call("shell", "shop", "--at", "juno", code=ExitCode.USAGE)
    assert "'juno' is none of kilo, liberty, trunk" in " ".join(done.stderr.split())


@pytest.mark.parametrize("engine", ["sqlite", "mysql", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_what_is_done_in_a_shell_is_thrown_away(curator: Curator, engine: str) -> None:
    dataset(curator, engine)
    ask = "SELECT 'there are', count(*) FROM item;\n"
    first = curator.call("shell", "shop", text=f"DELETE FROM item WHERE id > 1;\n{ask}")
    assert "what you change is thrown away" in first.stderr
    assert counted(first.stdout) == "1"
    assert counted(curator.call("shell", "shop", text=ask).stdout) == "4"
    assert curator.call("verify", "shop").stdout.startswith("shop: whole")
    at_kilo = curator.call("shell", "shop", "--at", "kilo", text="SELECT 'there are', price FROM item WHERE id = 1;\n")
    assert at_kilo.returncode == 0
    assert "there are" in at_kilo.stdout


def counted(shown: str) -> str:
    """What follows the words, whatever the client puts in between."""
    _, _, rest = shown.rpartition("there are")
    return "".join(char for char in rest if char.isdigit())[:1]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql", pytest.param("mysql", marks=pytest.mark.slow)])
def test_a_client_that_says_that_something_failed_ends_the_command_so(curator: Curator, engine: str) -> None:
    dataset(curator, engine)
    lines = "\\set ON_ERROR_STOP on\n" if engine == "postgresql" else ".bail on\n" if engine == "sqlite" else ""
    done = curator.call("shell", "shop", text=f"{lines}SELECT * FROM nothing;\n", code=ExitCode.UNVERIFIED)
    assert "nothing" in done.stderr


@pytest.mark.parametrize(
    ("engine", "leave"),
    [
        ("mysql", b"exit\r"),
        pytest.param("postgresql", b"\\q\r", marks=pytest.mark.slow),
        ("sqlite", b".exit\r"),
    ],
)
def test_a_person_at_a_terminal_talks_to_the_client(curator: Curator, engine: str, leave: bytes) -> None:
    dataset(curator, engine)
    curator.call("verify", "shop")
    controller, terminal = os.openpty()
    command = ("setsid", "--ctty", "--wait", *curator.command, "shell", "shop")
    environment = curator.environment(TERM="dumb", PAGER="cat", HOME=str(curator.path))
    with subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment, cwd=curator.path
    ) as running:
        os.close(terminal)
        shown = told(controller, b"thrown away")
        os.write(controller, b"SELECT 'item ' || 'is', 40 + 2, id FROM item WHERE name = 'hoe';\r")
        shown += told(controller, b"42")
        os.write(controller, leave)
        assert running.wait(60) == 0, shown
    os.close(controller)


def told(controller: int, word: bytes) -> bytes:
    """What is shown until a word is."""
    shown = b""
    while word not in shown:
        shown += os.read(controller, 4096)
    return shown
