from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.plugins import Plugins, candidates, inventory, look_again

from parts.distribution import Site, site

GOOD = """
from thcore.hooks import hookimpl

class Quiet:
    @hookimpl
    def thcore_analyse(self):
        return None

plugin = Quiet()
"""

BROKEN = {
    "import": ("import no_such_module_at_all\n", "its import failed: ModuleNotFoundError"),
    "exit": ("import sys\nsys.exit(7)\n", "its import failed: SystemExit: 7"),
    "assertion": ("assert 1 == 2, 'sums'\n", "its import failed: AssertionError: sums"),
    "syntax": ("def broken(:\n", "its import failed: SyntaxError"),
    "attribute": ("other = 1\n", "its import failed: AttributeError"),
    "class": (GOOD + "plugin = Quiet\n", "names the class Quiet; it must name an instance"),
    "hookless": ("class Empty:\n    pass\nplugin = Empty()\n", "implements no hook of thcore; is @hookimpl missing?"),
    "none": ("plugin = None\n", "implements no hook of thcore"),
    "misspelt": (
        GOOD.replace("thcore_analyse", "thcore_analyze"),
        "unknown hook thcore_analyze; did you mean thcore_analyse?",
    ),
    "argument": (GOOD.replace("(self)", "(self, execution, colour)"), "colour"),
    "options": (
        GOOD + "@hookimpl\ndef thcore_job_options(self): return dict\nQuiet.thcore_job_options = thcore_job_options\n",
        "thcore_job_options must answer an attrs class, not <class 'dict'>",
    ),
    "raising": (
        GOOD
        + "@hookimpl\ndef thcore_settings(self): raise KeyError('disk')\nQuiet.thcore_settings = thcore_settings\n",
        "thcore_settings raised KeyError: 'disk'",
    ),
    "leaving": (
        GOOD + "@hookimpl\ndef thcore_settings(self): raise SystemExit(3)\nQuiet.thcore_settings = thcore_settings\n",
        "thcore_settings raised SystemExit: 3",
    ),
    "on_purpose": (
        GOOD
        + "from thcore.errors import InfrastructureError\n@hookimpl\ndef thcore_job_options(self):\n"
        + "    raise InfrastructureError('no licence server')\nQuiet.thcore_job_options = thcore_job_options\n",
        "no licence server",
    ),
}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path / "site") as made:
        yield made


@pytest.mark.parametrize("case", sorted(BROKEN))
def test_a_broken_plugin_is_a_problem_that_names_it_and_others_load(place: Site, case: str) -> None:
    source, expected = BROKEN[case]
    place.plugin("faulty", source, distribution="acme-faulty", version="4.5.6")
    place.plugin("quiet", GOOD)
    plugins = Plugins.installed({"faulty", "quiet"})
    assert plugins.names == ("quiet",)
    (problem,) = plugins.problems
    assert str(problem).startswith("plugin faulty (acme-faulty 4.5.6): ")
    assert expected in str(problem)
    assert plugins.implementing("thcore_analyse") == ("quiet",)


def test_a_property_that_raises_does_not_keep_a_plugin_from_loading(place: Site) -> None:
    place.plugin("moody", GOOD + "Quiet.mood = property(lambda self: 1 / 0)\n")
    assert Plugins.installed({"moody"}).names == ("moody",)


def test_a_problem_names_plugin_and_distribution_once(place: Site) -> None:
    place.plugin("faulty", BROKEN["raising"][0], distribution="acme-faulty")
    (problem,) = Plugins.installed({"faulty"}).problems
    assert str(problem).count("acme-faulty") == 1


def test_a_wrong_argument_is_told_together_with_the_right_ones(place: Site) -> None:
    place.plugin("faulty", BROKEN["argument"][0])
    (problem,) = Plugins.installed({"faulty"}).problems
    assert "thcore_analyse" in str(problem)
    assert "colour" in str(problem)
    assert "it has build, options, execution" in str(problem)
    assert "\n" not in str(problem)


def test_of_two_distributions_with_one_name_neither_is_imported_and_both_are_named(place: Site, tmp_path: Path) -> None:
    marker = tmp_path / "imported"
    source = f"open({str(marker)!r}, 'w').close()\n" + GOOD
    place.plugin("twin", source, distribution="acme-left", version="1.0")
    place.plugin("twin", source, distribution="acme-right", version="2.0")
    plugins = Plugins.installed({"twin"})
    assert plugins.names == ()
    assert not marker.exists()
    left, right = plugins.problems
    assert "acme-left 1.0" in str(left)
    assert "acme-right 2.0" in str(left)
    assert "acme-right 2.0" in str(right)
    assert "uninstall one of them" in str(right)


def test_two_distributions_with_the_very_same_entry_point_clash_as_well(place: Site) -> None:
    place.install("acme-left", {"twin": "module_of_twin:plugin"}, {"module_of_twin": GOOD})
    place.install("acme-right", {"twin": "module_of_twin:plugin"}, {})
    plugins = Plugins.installed({"twin"})
    assert plugins.names == ()
    assert {problem.distribution for problem in plugins.problems} == {"acme-left", "acme-right"}


def test_a_plugin_that_is_not_wanted_is_never_imported(place: Site, tmp_path: Path) -> None:
    marker = tmp_path / "imported"
    place.plugin("unwanted", f"open({str(marker)!r}, 'w').close()\n" + GOOD)
    place.plugin("quiet", GOOD)
    assert Plugins.installed({"quiet"}).names == ("quiet",)
    assert not marker.exists()
    Plugins.installed({"unwanted"})
    assert marker.exists()


def test_candidates_are_known_with_their_distribution_and_without_an_import(place: Site, tmp_path: Path) -> None:
    marker = tmp_path / "imported"
    place.plugin("quiet", f"open({str(marker)!r}, 'w').close()\n" + GOOD, version="0.9")
    (found,) = (candidate for candidate in candidates() if candidate.name == "quiet")
    assert str(found) == "quiet (acme-quiet 0.9)"
    assert not marker.exists()


def test_a_distribution_that_shadows_another_version_of_itself_is_no_clash(place: Site, tmp_path: Path) -> None:
    place.plugin("quiet", GOOD, version="1.0")
    with site(tmp_path / "front") as front:
        front.plugin("quiet", GOOD, version="2.0")
        plugins = Plugins.installed({"quiet"})
        assert [str(problem) for problem in plugins.problems] == []
        assert plugins.get("quiet").info.version == "2.0"


def test_a_distribution_without_metadata_does_not_stop_the_others(place: Site) -> None:
    place.plugin("quiet", GOOD)
    ruin = place.path / "acme_ruin-1.0.dist-info"
    ruin.mkdir()
    (ruin / "entry_points.txt").write_text("[thcore.plugins]\nruin = module_of_ruin:plugin\n")
    plugins = Plugins.installed({"quiet", "ruin"})
    assert plugins.names == ("quiet",)
    assert [problem.plugin for problem in plugins.problems] == ["ruin"]


def test_entry_points_of_other_groups_are_no_plugins(place: Site) -> None:
    place.install("acme-other", {"other": "module_of_other:plugin"}, {"module_of_other": GOOD}, group="acme.plugins")
    assert "other" not in {candidate.name for candidate in candidates()}


def test_static_and_class_methods_and_modules_can_be_plugins(place: Site) -> None:
    place.plugin(
        "methods",
        "from thcore.hooks import hookimpl\nclass Methods:\n"
        "    @staticmethod\n    @hookimpl\n    def thcore_analyse():\n        return ()\n"
        "    @classmethod\n    @hookimpl\n    def thcore_health(cls, settings):\n        return ()\n"
        "plugin = Methods()\n",
    )
    place.install(
        "acme-module",
        {"module": "module_of_functions"},
        {"module_of_functions": "from thcore.hooks import hookimpl\n@hookimpl\ndef thcore_analyse():\n    return ()\n"},
    )
    plugins = Plugins.installed({"methods", "module"})
    assert [str(problem) for problem in plugins.problems] == []
    assert plugins.get("methods").hooks == {"thcore_analyse", "thcore_health"}
    assert plugins.get("module").hooks == {"thcore_analyse"}


def test_the_inventory_documents_options_settings_stages_and_problems(place: Site) -> None:
    place.plugin(
        "tidy",
        """
import enum
from attrs import Factory, field, frozen
from thcore.hooks import hookimpl, option
from thcore.model import Bytes, Seconds, Secret

class Mood(enum.Enum):
    GOOD = "good"

@frozen
class Options:
    path: str = option("Where to look.")
    files: tuple[str, ...] = option("Which files.", factory=lambda: ("a.sql",))
    limit: Seconds = option("How long.", default=Seconds(60.0))
    mood: Mood = option("How.", default=Mood.GOOD)
    token: Secret = option("Secret word.", default=Secret("hunter2"))
    size: Bytes | None = option("How much.", default=None)
    label: str = field(default=Factory(lambda self: self.path + "!", takes_self=True))
    inner: int = field(init=False, default=3)

@frozen
class Settings:
    server: str = option("Host name.", default="localhost")

class Tidy:
    @hookimpl
    def thcore_job_options(self): return Options
    @hookimpl
    def thcore_settings(self): return Settings
    @hookimpl
    def thcore_analyse(self): return ()
    @hookimpl
    def thcore_publish(self, build): return None

plugin = Tidy()
""",
        version="3.1",
    )
    place.plugin("faulty", "import no_such_module_at_all\n")
    entries = {entry.name: entry for entry in inventory()}
    tidy = entries["tidy"]
    assert (tidy.distribution, tidy.version) == ("acme-tidy", "3.1")
    assert tidy.stages == ("analyse", "publish")
    assert tidy.problems == ()
    options = {field.name: field for field in tidy.options}
    assert list(options) == ["path", "files", "limit", "mood", "token", "size", "label"]
    assert options["path"].default is None
    assert options["path"].doc == "Where to look."
    assert options["files"].type == "tuple[str, ...]"
    assert options["files"].default is not None
    assert options["limit"].type == "Seconds"
    assert options["limit"].default == "1 m 00 s"
    assert options["mood"].default == "good"
    assert options["token"].default == "***"
    assert options["size"].default == "none"
    assert options["label"].default is not None, "an option with a computed default is not required"
    assert [field.name for field in tidy.settings] == ["server"]
    (problem,) = entries["faulty"].problems
    assert "no_such_module_at_all" in problem
    assert entries["faulty"].stages == ()


def test_the_inventory_lists_both_owners_of_a_name(place: Site) -> None:
    place.plugin("twin", GOOD, distribution="acme-left")
    place.plugin("twin", GOOD, distribution="acme-right")
    twins = [entry for entry in inventory() if entry.name == "twin"]
    assert [entry.distribution for entry in twins] == ["acme-left", "acme-right"]
    assert all(entry.problems for entry in twins)


def test_what_is_installed_later_is_found_once_it_is_looked_for_again(place: Site) -> None:
    place.plugin("early", GOOD)
    assert "early" in Plugins.installed().names
    place.plugin("late", GOOD)

    look_again()

    assert "late" in Plugins.installed({"late"}).names


def test_an_editable_installation_is_found_as_well(
    place: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Site(tmp_path / "checkout" / "src")
    source.plugin("edited", GOOD)
    (place.path / "acme-edited.pth").write_text(f"{source.path}\n", "utf-8")
    monkeypatch.setattr("site.getsitepackages", lambda: [str(place.path)])
    monkeypatch.setattr("sys.path", [*sys.path])
    assert "edited" not in [candidate.name for candidate in candidates()]

    look_again()
    look_again()

    assert "edited" in Plugins.installed({"edited"}).names
    assert sys.path.count(str(source.path)) == 1
