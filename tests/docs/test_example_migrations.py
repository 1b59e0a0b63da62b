"""The examples of command, sqlalchemy_migrate and yoyo, run as their pages say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parts.example import BAD, DOCS, EXAMPLES, GOOD, laid_out, run, shown, steps_of

VERSIONS = "inventory/migrate_repo/versions"

pytestmark = pytest.mark.system


def page(tool: str) -> Path:
    return DOCS / "tools" / f"{tool}.md"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    changes = {
        GOOD: ("migrations/003_authors.sql", "good_change.sql"),
        BAD: ("migrations/003_one_per_author.sql", "bad_change.sql"),
    }
    return laid_out(tmp_path, "command", "library", changes, {"library": EXAMPLES / "command" / "dataset"})


@pytest.fixture
def guestbook(tmp_path: Path) -> Path:
    changes = {
        GOOD: ("migrations/0003-entries-of-guest.sql", "good_change.sql"),
        BAD: ("migrations/0003-guest-names.sql", "bad_change.sql"),
    }
    return laid_out(tmp_path, "yoyo", "guestbook", changes, {"guestbook": EXAMPLES / "yoyo" / "dataset"})


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    changes = {
        GOOD: (f"{VERSIONS}/003_unknown_shelf.py", "good_change.py"),
        BAD: (f"{VERSIONS}/003_shelf_needed.py", "bad_change.py"),
    }
    dataset = EXAMPLES / "sqlalchemy_migrate" / "dataset"
    return laid_out(tmp_path, "sqlalchemy_migrate", "inventory", changes, {"inventory": dataset})


def only(result: dict[str, Any]) -> dict[str, Any]:
    """The one dataset of a result."""
    (dataset,) = result["datasets"]
    return dict(dataset)


@pytest.mark.slow
def test_a_change_of_the_library_is_judged(library: Path) -> None:
    code, result = run(library, page("command"), GOOD)

    assert code == 0, result["findings"]
    assert steps_of(only(result)) == [("2", False, "ok"), ("3", True, "ok")]
    assert only(result)["final_version"] == only(result)["expected_version"] == ["3"]


def test_a_change_of_the_library_that_data_does_not_fit_is_refused_as_the_page_shows(library: Path) -> None:
    code, result = run(library, page("command"), BAD)

    assert code == 1
    (finding,) = result["findings"]
    assert finding["location"]["path"] == "migrations/003_one_per_author.sql"
    assert finding["location"]["step"] == "2->3"
    assert finding["evidence"][: len(shown(page("command")))] == shown(page("command"))


@pytest.mark.slow
def test_a_change_of_the_guestbook_is_judged(guestbook: Path) -> None:
    code, result = run(guestbook, page("yoyo"), GOOD)

    assert code == 0, result["findings"]
    assert steps_of(only(result)) == [("0002-entry-dates", False, "ok"), ("0003-entries-of-guest", True, "ok")]
    assert only(result)["final_version"] == only(result)["expected_version"] == ["0003-entries-of-guest"]


def test_a_change_of_the_guestbook_that_data_does_not_fit_is_refused_as_the_page_shows(guestbook: Path) -> None:
    code, result = run(guestbook, page("yoyo"), BAD)

    assert code == 1
    (finding,) = result["findings"]
    assert finding["location"] == {
        "path": "migrations/0003-guest-names.sql",
        "line": 6,
        "dataset": "guestbook",
        "step": "0002-entry-dates->0003-guest-names",
    }
    assert finding["evidence"][: len(shown(page("yoyo")))] == shown(page("yoyo"))


@pytest.mark.slow
def test_a_change_of_the_inventory_is_judged(inventory: Path) -> None:
    code, result = run(inventory, page("sqlalchemy_migrate"), GOOD)

    assert code == 0, result["findings"]
    assert steps_of(only(result)) == [("2", False, "ok"), ("3", True, "ok")]
    assert only(result)["final_version"] == only(result)["expected_version"] == ["3"]


@pytest.mark.slow
def test_a_change_of_the_inventory_that_refuses_is_told_as_the_page_shows(inventory: Path) -> None:
    code, result = run(inventory, page("sqlalchemy_migrate"), BAD)

    assert code == 1
    (finding,) = result["findings"]
    assert finding["location"] == {
        "path": f"{VERSIONS}/003_shelf_needed.py",
        "line": 10,
        "dataset": "inventory",
        "step": "2->3",
    }
    assert finding["evidence"][: len(shown(page("sqlalchemy_migrate")))] == shown(page("sqlalchemy_migrate"))
