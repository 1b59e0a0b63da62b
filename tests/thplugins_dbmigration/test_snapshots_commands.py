"""``thcore snapshots`` as an operator calls it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from thcore.cli.main import main
from thcore.errors import ExitCode
from thplugins_dbmigration.snapshots import Key, shelf
from thplugins_dbmigration.snapshots.lock import Hold

CONFIG = """
directories: {{state: {path}/state}}
jobs:
  - name: gate
    plugins: {{git: {{base_url: /nowhere}}, dbmigration: {{datasets: {path}/datasets}}}}
  - name: other
    plugins: {{git: {{base_url: /nowhere}}, dbmigration: {{datasets: {path}/datasets}}}}
"""


class Site:
    """A configuration whose two jobs have the same datasets."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "thcore.yaml"
        self.config.write_text(CONFIG.format(path=path))
        self.state = path / "state" / "plugins" / "dbmigration"

    def dataset(self, name: str, seed: str = "CREATE TABLE things (id INTEGER);\n") -> None:
        directory = self.path / "datasets" / name
        directory.mkdir(parents=True)
        (directory / "seed.sql").write_text(seed)
        config = {
            "project": "example/shop", "type": "sqlite", "database": "app", "db_user": "app", "db_pass": "word",
            "seed_data": "seed.sql",
        }  # fmt: skip
        (directory / "config.json").write_text(json.dumps(config))

    def warm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """In a process of its own, because a build is done there."""
        command = (sys.executable, "-m", "thcore.cli.main", "snapshots", "warm", "-c", str(self.config), *arguments)
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    def places(self) -> tuple[Path, ...]:
        return shelf.places(self.state)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.dataset("shop")
    return made


def called(site: Site, *arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main(["snapshots", arguments[0], "-c", str(site.config), *arguments[1:]])
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def test_warming_restores_each_dataset_once_and_listing_shows_what_it_depends_on(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "No snapshots" in called(site, "list", capsys=capsys)[1]
    first = site.warm()
    assert (first.returncode, len(first.stdout.splitlines())) == (0, 1), first.stderr
    assert re.match(r"shop: restored in .+ \([0-9a-f]{12}\)", first.stdout)
    assert "shop: loading seed.sql" in first.stderr
    assert "shop: was there already" in site.warm("other").stdout
    assert not list((site.path / "state" / "run").iterdir())
    code, out, _ = called(site, "list", capsys=capsys)
    assert code == 0
    (place,) = site.places()
    assert re.search(rf"{place.name[:12]} +dataset +shop +sqlite .* whole", out)
    (entry,) = json.loads(called(site, "list", "--json", capsys=capsys)[1])
    assert entry["digest"] == place.name
    assert set(entry["parts"]) >= {"project", "fingerprint", "engine", "engine_version", "settings", "account"}
    assert entry["parts"]["project"] == "example/shop"


def test_a_dataset_that_cannot_be_restored_does_not_keep_others_from_it(site: Site) -> None:
    site.dataset("broken", "CREATE TABLE;\n")
    site.dataset("empty")
    (site.path / "datasets" / "empty" / "seed.sql").unlink()
    done = site.warm("--json", "gate", "other")
    assert done.returncode == ExitCode.UNVERIFIED
    told: dict[str, dict[str, Any]] = {entry["dataset"]: entry for entry in json.loads(done.stdout)}
    assert [*told] == ["broken", "empty", "shop"]
    assert "seed_data: there is no file seed.sql" in told["empty"]["problem"]
    assert "seed.sql cannot be loaded: line 1" in told["broken"]["problem"]
    assert (told["shop"]["problem"], told["shop"]["made"]) == ("", True)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere",), "no job 'nowhere' uses the plugin dbmigration; there is gate, other"),
        (
            ("--dataset", "shop", "--dataset", "shpo", "--dataset", "x"),
            "there is no dataset 'shpo', 'x'; there is shop",
        ),
    ],
)
def test_warming_what_is_not_there_says_what_there_is_and_restores_nothing(
    site: Site, arguments: tuple[str, ...], words: str
) -> None:
    done = site.warm(*arguments)
    assert done.returncode == ExitCode.USAGE
    assert words in done.stderr
    assert not site.places()


def test_warming_without_any_dataset_is_refused(site: Site) -> None:
    shutil.rmtree(site.path / "datasets" / "shop")
    done = site.warm()
    assert done.returncode == ExitCode.USAGE
    assert "no job has a dataset; thcore config show says which directories are looked at" in done.stderr


def test_verifying_reads_every_byte_and_removes_what_is_damaged(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.warm()
    (place,) = site.places()
    assert called(site, "verify", capsys=capsys)[:2] == (0, f"{place.name[:12]} whole\n")
    used = shelf.last_used(place)
    flip(place / "data" / "app.sqlite")
    code, out, _ = called(site, "verify", place.name[:6], capsys=capsys)
    assert code == ExitCode.UNVERIFIED
    assert f"{place.name[:12]} damaged: app.sqlite has another content; removed" in out
    assert not site.places()
    assert used > 0
    assert "restored in" in site.warm().stdout


def flip(path: Path) -> None:
    """Change one byte as a bad disk does: neither size nor times tell."""
    before = path.stat()
    path.chmod(0o600)
    with path.open("r+b") as stream:
        stream.seek(100)
        byte = stream.read(1)
        stream.seek(100)
        stream.write(bytes([byte[0] ^ 1]))
    path.chmod(before.st_mode & 0o777)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_dropping_removes_what_is_named_unless_it_is_used(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.dataset("other")
    site.warm()
    shop, other = sorted(site.places(), key=lambda place: read(place).dataset, reverse=True)
    held = Hold.of(shop)
    assert held is not None
    assert "in use" in called(site, "list", capsys=capsys)[1]
    code, out, _ = called(site, "drop", "--all", capsys=capsys)
    assert code == ExitCode.UNVERIFIED
    assert f"{shop.name[:12]} stays: a build makes or uses it" in out
    assert site.places() == (shop,)
    assert f"{other.name[:12]} removed" in out
    held.release()
    assert called(site, "drop", "--dataset", "shop", "--json", capsys=capsys)[0] == 0
    assert not site.places()


def test_dropping_a_dataset_that_there_is_not_says_which_there_are_and_removes_nothing(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.warm()
    shutil.rmtree(site.path / "datasets" / "shop")
    site.dataset("other")
    code, out, err = called(site, "drop", "--dataset", "shop", "--dataset", "typo", "--json", capsys=capsys)
    assert (code, out) == (ExitCode.USAGE, "")
    assert "there is no dataset 'typo'; there is other, shop" in err
    assert site.places()
    assert called(site, "drop", "--dataset", "shop", capsys=capsys)[0] == 0, "its snapshot is there, it is not"
    assert not site.places()


@pytest.mark.parametrize("arguments", [("drop", "--all"), ("drop", "--dataset", "shop"), ("verify",), ("list",)])
def test_a_command_that_finds_no_snapshots_says_so(
    site: Site, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = called(site, *arguments, capsys=capsys)
    assert code == 0
    assert out.startswith("No snapshots")
    code, out, _ = called(site, *arguments, "--json", capsys=capsys)
    assert (code, json.loads(out)) == (0, [])


def read(place: Path) -> Key:
    record = shelf.read(place)
    assert record is not None
    return record.key


@pytest.mark.parametrize("arguments", [("drop",), ("drop", "nix"), ("verify", "nix")])
def test_a_command_that_does_not_say_which_is_refused(
    site: Site, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = called(site, *arguments, capsys=capsys)
    assert code == ExitCode.USAGE
    assert "thcore snapshots list" in err


def test_doctor_says_how_snapshots_are_cloned(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["doctor", "-c", str(site.config), "--json"])
    found = [entry for entry in json.loads(capsys.readouterr().out) if entry["code"] == "snapshots-cloned-by"]
    assert len(found) == 1
    copies = "plain copies" in found[0]["message"]
    assert copies or "reflink" in found[0]["message"]
    assert ("XFS" in found[0]["hint"]) == copies
