from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "thcore"
SOURCE = ROOT / "viewer"
STATIC = ROOT / "src" / "thcore" / "pages" / "static"


@pytest.mark.system
@pytest.mark.timeout(300)
def test_the_script_that_ships_is_what_its_source_builds(tmp_path: Path) -> None:
    source = tmp_path / "viewer"
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("node_modules"))
    npm = Path(sysconfig.get_path("scripts")) / "npm"

    def run(*words: str) -> None:
        done = subprocess.run([str(npm), *words], cwd=source, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    run("ci", "--no-audit", "--no-fund", "--ignore-scripts")
    run("run", "check")
    run("run", "build", "--", str(tmp_path / "built"))
    built = {path.name: path.read_bytes() for path in (tmp_path / "built").iterdir()}
    shipped = {path.name: path.read_bytes() for path in STATIC.iterdir()}
    assert built.keys() == shipped.keys()
    assert [name for name in built if built[name] != shipped[name]] == [], "run: make viewer"


def test_nothing_that_ships_ends_the_element_that_it_is_in() -> None:
    assert re.search(r"</script|<!--", (STATIC / "viewer.js").read_text(), re.IGNORECASE) is None
    assert "</" not in (STATIC / "viewer.css").read_text()


def test_the_licence_of_everything_bundled_ships_with_it() -> None:
    banner = (STATIC / "viewer.js").read_text().partition("\n")[0]
    licences = (STATIC / "viewer.licenses.txt").read_text()
    bundled = re.findall(r"(?:@[\w-]+/)?[\w-]+ \d+\.\d+\.\d+", banner)
    assert bundled
    assert re.findall(r"^((?:@[\w-]+/)?[\w-]+ \d+\.\d+\.\d+)$", licences, re.MULTILINE) == bundled
    assert licences.count("Permission is hereby granted") == len(bundled)


def test_the_lock_names_no_registry() -> None:
    assert "resolved" not in (SOURCE / "package-lock.json").read_text()
