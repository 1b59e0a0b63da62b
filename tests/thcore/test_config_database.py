"""The address of the history is checked when the file is read, and shown by nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from thcore.config import Config, load, shown
from thcore.config.database import check_database
from thcore.errors import ConfigError
from thcore.model import Secret

JOBS = "jobs: [{name: gate, plugins: {shell: {script: [make]}}}]\n"


def loaded(tmp_path: Path, history: object) -> Config:
    path = tmp_path / "config.yaml"
    path.write_text(f"{JOBS}history: {json.dumps(history)}\n")
    return load(path)


def problems(tmp_path: Path, history: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, history)
    return tuple(problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems)


def test_a_history_has_defaults(tmp_path: Path) -> None:
    history = loaded(tmp_path, {}).history

    assert (history.url, history.keep, history.maximum) == (None, 90 * 86400.0, 100_000)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////srv/thcore/history.sqlite",
        "postgresql://db.example.org/thcore",
        "postgresql+psycopg://thcore:p%40ss@db.example.org:5433/thcore",
        "postgresql+psycopg://[::1]/thcore?sslmode=verify-full",
        "postgresql:///thcore?host=/run/postgresql",
    ],
)
def test_a_file_and_a_database_of_postgresql_are_addresses(tmp_path: Path, url: str) -> None:
    config = loaded(tmp_path, {"url": url, "keep": "14d", "maximum": 5})

    assert config.history.url == Secret(url)
    assert (config.history.keep, config.history.maximum) == (14 * 86400.0, 5)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://thcore:hunter2@db/thcore", "expected a URL that begins with sqlite: or postgresql:"),
        ("postgresql+psycopg2://thcore:hunter2@db/thcore", "expected a URL that begins with sqlite: or postgresql:"),
        ("/srv/hunter2/history.sqlite", "expected a URL that begins with sqlite: or postgresql:"),
        ("postgresql://thcore:hunter2@db", "the URL names no database"),
        ("postgresql://thcore:hunter2@db:0/thcore", "the URL names no database"),
        ("postgresql://thcore:hunter2@db:many/thcore", "the URL cannot be read"),
        ("postgresql://thcore:hunter2[@db/thcore", "the URL cannot be read"),
        ("sqlite:///hunter2.sqlite", "expected the absolute path of a file behind sqlite:///"),
        ("sqlite://", "expected the absolute path of a file behind sqlite:///"),
        ("sqlite:////", "expected the absolute path of a file behind sqlite:///"),
        ("sqlite://hunter2/srv/history.sqlite", "expected the absolute path of a file behind sqlite:///"),
        ("sqlite:///:memory:", "expected the absolute path of a file behind sqlite:///"),
        ("sqlite:////srv/hunter2?mode=ro", "a SQLite URL takes nothing behind the path"),
    ],
)
def test_any_other_address_is_told_with_what_to_write_and_without_itself(tmp_path: Path, url: str, words: str) -> None:
    (problem,) = problems(tmp_path, {"url": url})

    assert problem.startswith(f"config.yaml: history.url: {words}")
    assert "hunter2" not in problem
    assert "; " in problem
    with pytest.raises(ValueError, match=words) as caught:
        check_database(Secret(url))
    assert caught.value.__cause__ is None


def test_an_address_can_come_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HISTORY", "sqlite:////srv/history.sqlite")
    (tmp_path / "address").write_text("mysql://hunter2\n")

    config = loaded(tmp_path, {"url": {"env": "HISTORY"}})

    assert config.history.url is not None
    assert config.history.url.reveal() == "sqlite:////srv/history.sqlite"
    (problem,) = problems(tmp_path, {"url": {"file": str(tmp_path / "address")}})
    assert problem.startswith("config.yaml: history.url: expected a URL")


def test_an_address_is_never_shown(tmp_path: Path) -> None:
    config = loaded(tmp_path, {"url": "postgresql://thcore:hunter2@db.example.org/thcore"})

    plain = shown(config, lambda _: None, lambda _: None)

    assert plain["history"] == {"url": "***", "keep": 7776000, "maximum": 100000}
    assert "hunter2" not in repr(config)


def test_a_history_that_keeps_nothing_is_a_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, {"keep": "0s", "maximum": 0, "ur": 1}) == (
        "config.yaml: history.ur: unknown key; did you mean url?",
        "config.yaml: history.keep: expected more than 0 seconds; leave the key out for no limit",
        "config.yaml: history.maximum: expected at least 1, got 0",
    )
