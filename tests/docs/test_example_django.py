from __future__ import annotations

from pathlib import Path

import pytest

from parts.example import BAD, DOCS, EXAMPLES, GOOD, laid_out, run

PAGE = DOCS / "tools" / "django.md"


@pytest.fixture
def bookshop(tmp_path: Path) -> Path:
    """The example, put where its configuration says, with a change that is good and one that is not."""
    changes = {
        GOOD: ("books/migrations/0003_author.py", "good_change.py"),
        BAD: ("books/migrations/0003_isbn.py", "bad_change.py"),
    }
    datasets = {path.name: path for path in (EXAMPLES / "django" / "datasets").iterdir()}
    return laid_out(tmp_path, "django", "bookshop", changes, datasets)


@pytest.mark.system
@pytest.mark.slow
def test_a_change_that_moves_data_is_judged_on_both_datasets(bookshop: Path) -> None:
    code, result = run(bookshop, PAGE, GOOD)

    assert code == 0, result["findings"]
    for dataset in result["datasets"]:
        steps = [(step["step"]["version"], step["added"], step["result"]) for step in dataset["steps"]]
        assert steps == [("books.0002_book_author_index", False, "ok"), ("books.0003_author", True, "ok")]
        assert dataset["final_version"] == dataset["expected_version"] == ["books.0003_author"]
    rows = {
        dataset["name"]: dataset["steps"][1]["measurement"]["counters"].get("XInnodb_rows_changed")
        for dataset in result["datasets"]
    }
    assert rows["large"] >= 50, "an author of each name"


@pytest.mark.system
def test_a_change_that_data_does_not_fit_is_refused_as_the_page_shows(bookshop: Path) -> None:
    code, result = run(bookshop, PAGE, BAD)

    assert code == 1
    (finding,) = result["findings"]
    assert finding["code"] == "migration-not-ended"
    assert finding["location"]["dataset"] == "large"
    assert finding["location"]["path"] == "books/migrations/0003_isbn.py"
    assert finding["location"]["step"] == "books.0002_book_author_index->books.0003_isbn"
    (shown,) = [block for block in PAGE.read_text("utf-8").split("```") if block.startswith("text\nUniqueViolation")]
    evidence = "\n".join(finding["evidence"])
    for line in shown.splitlines()[1:]:
        assert line in evidence
