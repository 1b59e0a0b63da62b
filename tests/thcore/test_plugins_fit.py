from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore import __version__
from thcore.plugins import Plugins
from thcore.plugins.fit import misfit, wanted

from parts.distribution import Site, site
from parts.plugin_source import QUIET


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path / "site") as made:
        yield made


def test_what_a_distribution_wants_of_thcore_is_in_its_requirements() -> None:
    requirements = [
        "attrs>=25",
        "thcore>=0.1",
        'Thcore<1 ; python_version >= "3.8"',
        'thcore>=7 ; extra == "new"',
        'thcore>=8 ; python_version < "3"',
        "this is no requirement",
    ]

    assert wanted(requirements) == ">=0.1,<1"
    assert wanted(["attrs"]) == wanted([]) == ""


@pytest.mark.parametrize("core", ["0.1.0", "0.1.7", "0.9", "0.2.0rc1", "0.1.0+local"])
def test_a_version_that_is_wanted_fits(core: str) -> None:
    assert misfit(">=0.1,<1", core, "acme") is None
    assert misfit("", core, "acme") is None


@pytest.mark.parametrize("wants", [">=0.3,<1", ">0.1.0", "~=0.2.1", "==0.2.*", ">=0.1.1"])
def test_to_a_plugin_for_a_newer_core_the_core_to_install_is_told(wants: str) -> None:
    told = misfit(wants, "0.1.0", "acme")

    assert told == f"it needs thcore{wants}, and this is thcore 0.1.0; pip install --upgrade 'thcore{wants}'"


@pytest.mark.parametrize("wants", [">=0.1,<0.2", "<=0.1.9", "~=0.1.0", "==0.1.*", "!=0.3.0"])
def test_to_a_plugin_for_an_older_core_both_ways_out_are_told(wants: str) -> None:
    told = misfit(wants, "0.3.0", "acme")

    assert told is not None
    assert f"it was made for thcore{wants}, and this is thcore 0.3.0" in told
    assert "pip install --upgrade acme," in told
    assert told.endswith(f"pip install 'thcore{wants}'")


def test_a_plugin_that_does_not_fit_is_a_problem_and_not_even_imported(place: Site, tmp_path: Path) -> None:
    marker = tmp_path / "imported"
    place.plugin("late", f"open({str(marker)!r}, 'w').close()\n" + QUIET, requires=["thcore>=77"])
    place.plugin("early", QUIET, requires=["thcore<0.0.1"])
    place.plugin("apt", QUIET, requires=[f"thcore>={__version__}"])

    plugins = Plugins.installed({"late", "early", "apt"})

    assert plugins.names == ("apt",)
    assert not marker.exists()
    early, late = plugins.problems
    assert str(late).startswith("plugin late (acme-late 1.2.3): it needs thcore>=77, and this is thcore")
    assert "pip install --upgrade acme-early" in str(early)
