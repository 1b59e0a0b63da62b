"""``thcore datasets`` as an operator calls it: list, show, verify, fingerprint."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from thcore.errors import ExitCode

from parts.curator import SEED, Curator
from parts.dataset import write_dataset


@pytest.fixture
def curator(tmp_path: Path) -> Curator:
    """One dataset, on SQLite."""
    made = Curator.at(tmp_path)
    write_dataset(
        made.datasets, "shop", SEED, start=["a"], version="2026-11", maximum_migration_times={"default": 60},
        releases=[{"name": "kilo", "tag": "kilo", "until": "c", "fixups": [{"at": "b", "sql": "fix.sql"}]}],
    )  # fmt: skip
    (made.datasets / "shop" / "fix.sql").write_text("DELETE FROM item;")
    return made


def test_listing_says_what_each_dataset_is_and_what_is_wrong_with_a_broken_one(curator: Curator) -> None:
    write_dataset(curator.datasets, "broken", SEED, seed="x")
    shown = curator.call("list").stdout
    assert re.search(r"shop +example/shop +sqlite +2026-11 +a +\d+ B +seconds +kilo until c +not yet", shown)
    assert f"broken: broken: {curator.datasets}/broken/config.json: seed: unknown key; did you mean seed_data?" in shown
    broken, shop = curator.json("list")
    assert (broken["name"], shop["name"]) == ("broken", "shop")
    assert shop["snapshot"] is False
    assert broken["problems"]
    assert (shop["releases"], shop["problems"], shop["job"]) == (["kilo until c"], [], "gate")


def test_a_directory_of_its_own_can_be_listed(curator: Curator, tmp_path: Path) -> None:
    write_dataset(tmp_path / "elsewhere", "other", SEED)
    assert [card["name"] for card in curator.json("list", str(tmp_path / "elsewhere"))] == ["other"]
    assert "No datasets" in curator.call("list", str(tmp_path / "state")).stdout


def test_hidden_directories_are_no_datasets(curator: Curator) -> None:
    write_dataset(curator.datasets, ".shop.old", SEED)
    assert [card["name"] for card in curator.json("list")] == ["shop"]


def test_showing_reads_tables_and_versions_from_the_snapshot_where_there_is_one(curator: Curator) -> None:
    before = curator.call("show", "shop").stdout
    assert "contents: not restored yet; thcore datasets verify does that" in before
    for line in ("start: a", "limit of seconds: default 60", "releases: kilo until c", "fix-up at b: fix.sql"):
        assert f"{line}\n" in before
    curator.call("verify", "shop")
    shown = curator.call("show", "shop").stdout
    assert re.search(r"^server: sqlite 3\.", shown, re.MULTILINE)
    assert "at: a (alembic_version)" in shown
    assert re.search(r"^item +3( |$)", shown, re.MULTILINE)
    told = curator.json("show", "shop")
    assert told["snapshot"] is True
    assert told["contents"]["versions"] == {"alembic_version": ["a"]}
    assert {table["name"]: table["rows"] for table in told["contents"]["tables"]} == {"alembic_version": 1, "item": 3}


def test_verifying_restores_a_dataset_and_says_what_it_saw(curator: Curator) -> None:
    write_dataset(curator.datasets, "other", SEED, overlays=["more.sql"])
    (curator.datasets / "other" / "more.sql").write_text("INSERT INTO item VALUES (4, 'hoe');\n")
    shown = curator.call("verify").stdout
    assert "other: whole\n" in shown
    assert "2 tables, 5 rows on sqlite" in shown
    assert ", 1 overlay\n" in shown
    assert "shop: whole\n" in shown
    assert "start: alembic_version: a" in shown
    assert curator.json("list")[1]["snapshot"] is True


def test_verifying_again_restores_what_has_a_snapshot(curator: Curator) -> None:
    assert "loading seed.sql" in curator.call("verify", "shop").stderr
    assert "loading seed.sql" not in curator.call("verify", "shop").stderr
    assert "loading seed.sql" in curator.call("verify", "shop", "--again").stderr


def problem(curator: Curator, check: str) -> str:
    (told,) = curator.json("verify", "bad", code=ExitCode.UNVERIFIED)
    assert told["whole"] is False
    problems: dict[str, str] = {each["name"]: each["problem"] for each in told["checks"] if each["problem"]}
    assert list(problems) == [check]
    return problems[check]


def test_a_seed_that_does_not_load_is_told_with_its_line(curator: Curator) -> None:
    write_dataset(curator.datasets, "bad", SEED + "\nCREATE TABLE item (id INTEGER);\n")
    assert re.match(r"seed.sql cannot be loaded: line 7: table item already exists", problem(curator, "restore"))


def test_a_seed_at_another_version_than_it_says_is_told(curator: Curator) -> None:
    write_dataset(curator.datasets, "bad", SEED, start=["b"])
    assert problem(curator, "start") == "config.json says start: b, but the database is at alembic_version: a"


def test_a_seed_without_any_version_is_told_when_one_is_wanted(curator: Curator) -> None:
    write_dataset(curator.datasets, "bad", "CREATE TABLE item (id INTEGER);", start=["b"])
    assert problem(curator, "start").endswith("the database is at no version of any tool that is known")


def test_a_version_of_another_chain_is_looked_for_in_its_table(curator: Curator) -> None:
    write_dataset(curator.datasets, "bad", SEED, start=["a", "alembic_version_fab:x"])
    assert "alembic_version_fab:x, but the database is at no version" in problem(curator, "start")


def test_an_overlay_that_fails_is_named(curator: Curator) -> None:
    directory = write_dataset(curator.datasets, "bad", SEED, overlays=["more.sql"])
    (directory / "more.sql").write_text("INSERT INTO nothing VALUES (1);\n")
    assert problem(curator, "restore").startswith("more.sql cannot be loaded: line 1")


def test_an_archive_of_a_release_that_is_broken_is_named(curator: Curator) -> None:
    fixups = [{"at": "b", "sql": "fix.sql"}]
    directory = write_dataset(curator.datasets, "bad", SEED, releases=[{"name": "k", "tag": "k", "fixups": fixups}])
    (directory / "fix.sql").write_bytes(b"\x1f\x8b broken")
    assert "fix.sql: the archive is broken" in problem(curator, "releases")


def test_bytes_that_have_changed_on_the_disk_are_noticed(curator: Curator) -> None:
    write_dataset(curator.datasets, "bad", SEED)
    curator.call("verify", "bad")
    digests = curator.path / "state" / "plugins" / "dbmigration" / "digests"
    # As if the seed were another one than when its digest was taken: nothing else can tell.
    for entry in digests.iterdir():
        entry.write_text("0" * 64)
    assert "the disk may be failing" in problem(curator, "files")


def test_one_that_is_broken_does_not_keep_others_from_being_checked(curator: Curator) -> None:
    (write_dataset(curator.datasets, "bad", SEED) / "seed.sql").unlink()
    bad, shop = curator.json("verify", code=ExitCode.UNVERIFIED)
    assert "there is no file seed.sql" in bad["checks"][0]["problem"]
    assert (bad["whole"], shop["whole"]) == (False, True)


def test_a_fingerprint_changes_with_the_bytes_and_with_nothing_else(curator: Curator) -> None:
    (line,) = curator.call("fingerprint").stdout.splitlines()
    assert re.fullmatch(r"[0-9a-f]{64}  shop", line)
    write_dataset(curator.datasets, "twin", SEED)
    write_dataset(curator.datasets, "other", SEED + "\n")
    prints = curator.json("fingerprint", "shop", "twin", "other")
    assert prints["shop"] == prints["twin"] == line.split()[0] != prints["other"]


def test_a_fingerprint_of_a_broken_dataset_is_an_error(curator: Curator) -> None:
    (write_dataset(curator.datasets, "bad", SEED) / "seed.sql").unlink()
    done = curator.call("fingerprint", code=ExitCode.UNVERIFIED)
    assert "there is no file seed.sql" in done.stderr
    assert done.stdout.endswith("  shop\n")


def test_fingerprints_of_no_datasets_are_none_and_said_to_be_none(curator: Curator, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = curator.call("fingerprint", "-d", "empty")
    assert (done.stdout, done.stderr) == ("", "No datasets; thcore datasets add makes one.\n")
    assert curator.json("fingerprint", "-d", "empty") == {}


def test_a_branch_that_would_not_count_is_refused(curator: Curator) -> None:
    done = curator.call("shell", "shop", "--branch", "stable/kilo", code=ExitCode.USAGE)
    assert "--branch counts for --at trunk only" in done.stderr


def test_a_boundary_that_no_build_has_made_is_told_with_what_makes_it(curator: Curator) -> None:
    done = curator.call("shell", "shop", "--before", "b", code=ExitCode.USAGE)
    told = " ".join(done.stderr.replace("│", " ").split())
    assert "no state of shop before 'b' is frozen; there is none" in told
    assert "thcore run --option dbmigration.begin_before=b makes it" in told
    done = curator.call("shell", "shop", "--before", "b", "--at", "trunk", code=ExitCode.USAGE)
    assert "--at and --before name a state each" in done.stderr


@pytest.mark.parametrize("command", [("show",), ("verify",), ("fingerprint",), ("shell",), ("update", "--to", "kilo")])
def test_a_name_that_is_not_there_is_told_with_those_that_are(curator: Curator, command: tuple[str, ...]) -> None:
    done = curator.call(command[0], "shpo", *command[1:], code=ExitCode.USAGE)
    assert "there is no dataset 'shpo'; there is shop" in done.stderr


def test_a_name_that_is_there_twice_has_to_be_told_apart(curator: Curator) -> None:
    write_dataset(curator.datasets / "more", "shop", SEED)
    problems = {card["directory"]: card["problems"] for card in curator.json("list")}
    assert problems[str(curator.datasets / "shop")] == [
        f"{curator.datasets}/more/shop has the same name; rename one of the two directories"
    ]
    assert "say which with --directory" in curator.call("show", "shop", code=ExitCode.USAGE).stderr
    assert "version: not said" in curator.call("show", "shop", "-d", str(curator.datasets / "more")).stdout


def test_names_cannot_steer_a_terminal(curator: Curator) -> None:
    write_dataset(curator.datasets, "evil", SEED, version="\x1b[2J[red]", start=["\x1b]0;x"])
    shown = curator.call("list").stdout + curator.call("show", "evil").stdout
    assert "\x1b" not in shown
    assert "[red]" in shown


def test_without_a_job_of_the_plugin_commands_say_so(curator: Curator) -> None:
    (curator.path / "thcore.yaml").write_text("jobs: [{name: a, plugins: {git: {}, shell: {script: ['true']}}}]")
    done = curator.call("add", "x", "--project", "p", "--dump", "thcore.yaml", code=ExitCode.USAGE)
    assert "no job uses the plugin dbmigration" in done.stderr
