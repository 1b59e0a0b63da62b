from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.cli.main import main
from thcore.cli.strictness import insist
from thcore.config import load
from thcore.errors import ConfigError
from thcore.plugins import DISABLE

from parts.distribution import Site, site
from parts.plugin_source import QUIET

OLD = """
from thcore.deprecation import Deprecated
Deprecated("thcore.hooks.old", "0.1", "use new").warn()
"""
ILL = """
from thcore.hooks import hookimpl
from thcore.model import Finding, Severity

class Ill:
    @hookimpl
    def thcore_health(self):
        yield Finding("leg", Severity.UNVERIFIED, "my leg is broken", hint="A splint helps.", command="splint leg")
        yield Finding("nose", Severity.WARNING, "my nose runs")

plugin = Ill()
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path / "site") as made:
        yield made


def problems(directory: Path, plugins: str = "") -> list[str]:
    """What keeps a strict worker from starting."""
    (directory / "thcore.yaml").write_text(
        f"jobs: [{{name: gate, plugins: {{git: {{}}, shell: {{script: ['true']}}{plugins}}}}}]"
    )
    try:
        insist(load(directory / "thcore.yaml"))
    except ConfigError as error:
        return list(error.problems)
    return []


def test_with_everything_as_it_should_be_nothing_is_said(place: Site, tmp_path: Path) -> None:
    place.plugin("quiet", QUIET)

    assert problems(tmp_path, ", quiet: {}") == []


def test_a_plugin_that_no_job_names_must_work_as_well(place: Site, tmp_path: Path) -> None:
    place.plugin("late", QUIET, requires=["thcore>=77"])

    (problem,) = problems(tmp_path)

    assert problem.startswith("--strict: plugin late (acme-late 1.2.3): it needs thcore>=77")


def test_what_the_next_release_does_not_have_is_told_at_the_plugins_line(place: Site, tmp_path: Path) -> None:
    place.plugin("old", OLD + QUIET)

    (problem,) = problems(tmp_path)

    assert problem.startswith(f"--strict: {place.path / 'module_of_acme_old_old.py'}:3: thcore.hooks.old is gone in")


def test_health_checks_must_not_fail_and_may_warn(place: Site, tmp_path: Path) -> None:
    place.plugin("ill", ILL)

    assert problems(tmp_path) == []
    assert problems(tmp_path, ", ill: {}") == ["--strict: ill: my leg is broken: A splint helps.: splint leg"]


def test_a_slip_in_the_variable_that_disables_plugins_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DISABLE, "publish_locl")

    (problem,) = problems(tmp_path)

    assert "THCORE_DISABLE_PLUGINS names publish_locl" in problem


def test_a_strict_worker_says_all_of_it_and_does_not_start(
    place: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place.plugin("late", QUIET, requires=["thcore>=77"])
    place.plugin("ill", ILL)
    problems(tmp_path, ", ill: {}")

    with pytest.raises(SystemExit) as caught:
        main(["serve", "--strict", "-c", str(tmp_path / "thcore.yaml")])

    told = capsys.readouterr().err
    assert caught.value.code == 78
    assert "late" in told
    assert "my leg is broken" in told
