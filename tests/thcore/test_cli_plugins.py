from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.cli.main import main
from thcore.plugins import DISABLE, cost

from parts.distribution import Site, site
from parts.plugin_source import QUIET

TIDY = """
from attrs import frozen
from thcore.hooks import hookimpl, option
from thcore.model import Seconds

@frozen
class Options:
    path: str = option("Where to [bold]look\x1b[31m.", example="/srv")
    limit: Seconds = option("How long.", default=Seconds(90.0))

class Tidy:
    @hookimpl
    def thcore_job_options(self):
        return Options

    @hookimpl
    def thcore_publish(self):
        return None

plugin = Tidy()
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path / "site") as made:
        made.plugin("tidy", TIDY, requires=["thcore>=0.1,<1"])
        yield made


def thcore(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["plugins", *arguments])
    told = capsys.readouterr()
    return int(caught.value.code or 0), told.out, told.err


def test_every_plugin_has_a_line_with_what_it_costs_at_the_start(
    place: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = thcore(capsys)

    assert code == 0
    (line,) = (line for line in out.splitlines() if line.startswith("tidy"))
    assert "acme-tidy 1.2.3" in line
    assert "publish" in line
    assert " ms " in line
    assert "path (required), limit" in line


def test_a_plugin_that_is_slow_to_load_is_named_with_the_command_that_says_why(
    place: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "SLOW_CPU_S", 0.0)

    code, out, _ = thcore(capsys)

    assert code == 0
    assert "tidy is slow to import; what takes it so long is told by: thcore plugins check tidy" in out


def test_a_plugin_is_shown_with_hooks_and_options_and_where_each_was_written(
    place: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = thcore(capsys, "show", "tidy")

    file = place.path / "module_of_acme_tidy_tidy.py"
    assert code == 0
    assert "acme-tidy 1.2.3" in out
    assert "thcore>=0.1,<1" in out
    assert f"thcore_publish          {file}:" in out
    assert f"Options of a job  {file}:6" in out
    assert "path: str, required" in out
    assert "Where to [bold]look" in out
    assert "\x1b" not in out
    assert "Example: path: /srv" in out
    assert "limit: Seconds, default 1 m 30 s" in out


def test_the_same_is_told_to_programs(place: Site, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = thcore(capsys, "show", "tidy", "--json")

    (entry,) = json.loads(out)
    assert code == 0
    assert entry["hooks"] == ["thcore_job_options", "thcore_publish"]
    assert entry["places"]["plugin"] == str(place.path / "module_of_acme_tidy_tidy.py")
    assert entry["cost"]["cpu_s"] > 0
    assert [option["name"] for option in entry["options"]] == ["path", "limit"]


def test_a_disabled_plugin_is_shown_as_such_and_a_slip_in_the_variable_is_noticed(
    place: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DISABLE, "tidy,tydi")

    code, out, err = thcore(capsys)

    assert code == 0
    (line,) = (line for line in out.splitlines() if line.startswith("tidy"))
    assert line.split() == ["tidy", "acme-tidy", "1.2.3", "disabled"]
    assert "THCORE_DISABLE_PLUGINS names tydi, which is neither a plugin nor a distribution" in err
    assert "Disabled:     by THCORE_DISABLE_PLUGINS" in thcore(capsys, "show", "tidy")[1]


def test_a_plugin_that_cannot_be_loaded_makes_the_list_end_with_78(
    place: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    place.plugin("late", QUIET, requires=["thcore>=77"])

    code, out, _ = thcore(capsys)

    assert code == 78
    assert "late (acme-late 1.2.3): it needs thcore>=77" in out


def test_an_unknown_plugin_is_told_the_closest_name(place: Site, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = thcore(capsys, "show", "tidi")

    assert code == 64
    assert "no plugin tidi is installed; did you mean tidy?" in err


@pytest.mark.system
def test_a_check_shows_what_is_well_and_fails_on_warnings_when_it_is_strict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[project]\nname = 'acme-quiet'\n[project.entry-points.'thcore.plugins']\nquiet = 'quiet_plugin:plugin'\n"
    )
    (tmp_path / "quiet_plugin.py").write_text(QUIET)

    code, out, _ = thcore(capsys, "check", str(tmp_path))
    strict, told, _ = thcore(capsys, "check", "--strict", "--json", str(tmp_path))

    assert (code, strict) == (0, 78)
    assert "ok       quiet: implements thcore_analyse" in out
    assert "warning  quiet: its distribution does not say which versions of thcore it works with" in out
    assert {(finding["code"], finding["severity"]) for finding in json.loads(told)} >= {
        ("plugin-hooks", "info"),
        ("plugin-core-unsaid", "warning"),
    }
