from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.config import load
from thcore.errors import ConfigError
from thcore.pipeline.plan import make_plans, used_plugins
from thcore.plugins import DISABLE, Plugins, inventory

from parts.distribution import Site, site
from parts.plugin_source import QUIET


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path / "site") as made:
        yield made


@pytest.mark.parametrize("names", ["quiet", "acme-quiet", " acme_quiet , other", "Acme.Quiet"])
def test_a_plugin_is_disabled_by_its_name_or_by_its_distribution_and_never_imported(
    place: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: str
) -> None:
    marker = tmp_path / "imported"
    place.plugin("quiet", f"open({str(marker)!r}, 'w').close()\n" + QUIET)
    place.plugin("loud", QUIET)
    monkeypatch.setenv(DISABLE, names)

    plugins = Plugins.installed({"quiet", "loud"})

    assert plugins.names == ("loud",)
    assert plugins.problems == ()
    assert [str(candidate) for candidate in plugins.disabled] == ["quiet (acme-quiet 1.2.3)"]
    assert not marker.exists()
    (entry,) = inventory("quiet")
    assert entry.disabled
    assert not entry.problems


def test_of_two_plugins_with_one_name_the_one_that_is_not_disabled_is_loaded(
    place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.plugin("twin", QUIET, distribution="acme-left")
    place.plugin("twin", QUIET, distribution="acme-right")
    monkeypatch.setenv(DISABLE, "acme-left")

    plugins = Plugins.installed({"twin"})

    assert plugins.get("twin").info.distribution == "acme-right"
    assert plugins.problems == ()


def test_a_job_that_needs_a_disabled_plugin_is_told_what_disables_it(
    place: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.plugin("quiet", QUIET)
    monkeypatch.setenv(DISABLE, "quiet")
    (tmp_path / "thcore.yaml").write_text(
        "jobs: [{name: gate, plugins: {git: {}, shell: {script: ['true']}, quiet: {}}}]"
    )
    config = load(tmp_path / "thcore.yaml")

    with pytest.raises(ConfigError) as caught:
        make_plans(config, Plugins.installed(used_plugins(config)))

    (problem,) = caught.value.problems
    assert "plugin quiet (acme-quiet 1.2.3) is disabled; take it out of THCORE_DISABLE_PLUGINS" in problem
