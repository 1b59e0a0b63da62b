"""``thcore quickstart`` as a new user runs it: embedded Gearman server, embedded PostgreSQL, a project it makes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


def thcore(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "thcore.cli.main", *arguments]
    return subprocess.run(
        argv, cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"}
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def quickstart(home: Path) -> subprocess.CompletedProcess[str]:
    return thcore("quickstart", "shop", cwd=home)


def test_quickstart_shows_a_change_that_passes_and_one_that_fails_because_of_the_data(
    quickstart: subprocess.CompletedProcess[str],
) -> None:
    assert quickstart.returncode == 0, quickstart.stdout + quickstart.stderr
    first, second = quickstart.stdout.split("Change 2")
    assert "SUCCESS" in first
    assert "FAILURE - Did not find the end of a migration after a start" in second
    assert "could not create unique index" in second
    assert "shop_production: 0003->0004" in first


def test_quickstart_ends_by_naming_the_page_that_says_why_the_second_change_failed(
    quickstart: subprocess.CompletedProcess[str],
) -> None:
    (address,) = re.findall(r"Open this page: (file://\S+)", quickstart.stdout)

    page = Path(unquote(urlparse(address).path))

    assert "could not create unique index" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["README.md", "docs/getting-started.md"])
def test_what_the_documentation_shows_of_the_quickstart_is_what_it_prints(
    quickstart: subprocess.CompletedProcess[str], page: str
) -> None:
    (shown,) = re.findall(r"```text\nFAILURE.*?\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)

    assert shown in quickstart.stdout


def test_directory_of_the_quickstart_is_one_to_go_on_from(
    home: Path, quickstart: subprocess.CompletedProcess[str]
) -> None:
    check = thcore("config", "check", cwd=home / "shop")
    assert check.returncode == 0, check.stdout

    command = re.findall(r"thcore (run .*)", quickstart.stdout)[-1].split()
    again = thcore(*command, "--json", cwd=home / "shop")

    assert again.returncode == 0, again.stderr
    document = json.loads(again.stdout)
    assert document["verdict"] == "SUCCESS"
    assert [step["added"] for step in document["datasets"][0]["steps"]] == [False, True]


def test_quickstart_does_not_write_into_a_directory_that_has_something_in_it(
    home: Path, quickstart: subprocess.CompletedProcess[str]
) -> None:
    again = thcore("quickstart", "shop", cwd=home)

    assert again.returncode == 64
    assert "not empty" in again.stderr
    assert "Traceback" not in again.stderr
