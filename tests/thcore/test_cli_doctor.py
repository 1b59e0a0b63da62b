from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.cli.main import main

from parts.distribution import Site, site

CONFIG = """
jobs:
  - name: gate
    plugins:
      git: {base_url: https://opendev.example.org}
      shell: {script: [./check.sh]}
      patient:
plugins:
  patient: {mood: grim}
"""

PATIENT = """\
from attrs import frozen
from thcore.hooks import hookimpl, option
from thcore.model import Finding, Severity

@frozen
class Settings:
    mood: str = option("How it feels.")

class Patient:
    @hookimpl
    def thcore_settings(self):
        return Settings

    @hookimpl
    def thcore_health(self, settings):
        %s

plugin = Patient()
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "thcore.yaml").write_text(CONFIG)
    with site(tmp_path / "site") as made:
        yield made


def doctor(directory: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as caught:
        main(["doctor", "-c", str(directory / "thcore.yaml"), *arguments])
    return int(caught.value.code or 0), capsys.readouterr().out


def test_doctor_tells_what_each_plugin_says_of_itself(
    tmp_path: Path, place: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    place.plugin("patient", PATIENT % 'yield Finding("fine", Severity.INFO, f"I feel {settings.mood}")')

    code, out = doctor(tmp_path, capsys)

    assert code == 0
    assert "ok" in out
    assert "patient: I feel grim" in out
    assert "git: git" in out


def test_doctor_shows_the_remedy_and_exits_with_78_when_something_is_broken(
    tmp_path: Path, place: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    body = (
        'yield Finding("leg", Severity.UNVERIFIED, "my leg is \\x1b[31mbroken", hint="a splint", command="splint leg")'
    )
    place.plugin("patient", PATIENT % body)

    code, out = doctor(tmp_path, capsys)

    assert code == 78
    assert "broken" in out
    assert "a splint" in out
    assert "splint leg" in [line.strip() for line in out.splitlines()], "alone in its line, to be copied"
    assert "\x1b[31m" not in out


def test_doctor_names_a_plugin_whose_check_raises(
    tmp_path: Path, place: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    place.plugin("patient", PATIENT % 'raise KeyError("pulse")')

    code, out = doctor(tmp_path, capsys, "--json")

    assert code == 78
    (found,) = [finding for finding in json.loads(out) if finding["code"] == "health-check-failed"]
    assert "acme-patient 1.2.3" in found["message"]
    assert "pulse" in found["message"]
