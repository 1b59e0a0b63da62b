"""Every command of the page about datasets is run, in the order in which they stand there."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.curator import RELEASES, SEED, Curator
from parts.servers import MARIADB, ground, open_directory

PAGE = Path(__file__).parents[2] / "docs" / "datasets.md"
LIVE = "mysql://reader@db.example.org/shop"

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def shown() -> Iterator[tuple[str, list[str]]]:
    """Each command of the page with the lines of output that follow."""
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        for call in block.split("$ ")[1:]:
            command, *lines = call.splitlines()
            yield command, lines


@pytest.fixture
def curator() -> Iterator[Curator]:
    with open_directory() as path:
        made = Curator.at(path)
        made.make_project()
        (path / ".shop-password").write_text("word\n")
        (path / "dumps").mkdir()
        (path / "dumps" / "shop.sql.gz").write_bytes(gzip.compress(f"-- MariaDB dump 10.19\n{SEED}".encode()))
        yield made


def call(curator: Curator, command: str) -> subprocess.CompletedProcess[str]:
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ("sh", "-c", command),
        input="",
        capture_output=True,
        text=True,
        check=False,
        cwd=curator.path,
        env=curator.environment(PATH=programs, HOME=str(curator.path)),
        timeout=200,
    )


def declare_releases(curator: Curator) -> None:
    directory = curator.datasets / "shop"
    (directory / "fix.sql").write_text("delete from item where id = 3;\n")
    written = json.loads((directory / "config.json").read_text()) | {"releases": RELEASES, "start": ["a"]}
    (directory / "config.json").write_text(json.dumps(written))


def pattern(line: str) -> str:
    """What a line is to look like: digests and versions are not those of the page."""
    parts = re.split(r"([0-9a-f]{12}|\d[\w.-]*|/srv/datasets)", line)
    return "".join(r"\S+" if number % 2 else re.escape(part) for number, part in enumerate(parts))


@pytest.mark.slow
def test_the_commands_of_the_page_do_what_it_says(curator: Curator) -> None:
    commands = list(shown())
    assert len(commands) > 12
    with ground(curator.path / "live", MARIADB) as live, live.server() as server:
        address = server.create("shop", "reader", "word")
        server.load(live.build, address, live.seed(SEED))
        url = f"'mysql://reader@localhost/shop?unix_socket={address.socket}'"
        for command, lines in commands:
            here = command.replace(LIVE, url).replace("/srv", str(curator.path))
            done = call(curator, here)
            assert done.returncode == 0, (command, done.stdout, done.stderr)
            for line in lines:
                assert re.search(pattern(line), done.stdout), (line, done.stdout)
            if LIVE in command:
                declare_releases(curator)
    assert "trunk" in commands[-1][0]
    assert done.stdout.split()[-1] == "2"
