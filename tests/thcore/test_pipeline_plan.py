from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from thcore.config import Config, load
from thcore.errors import ConfigError
from thcore.hooks import hookimpl, option
from thcore.model import Seconds, StageName
from thcore.pipeline.plan import Plan, make_plans, used_plugins
from thcore.plugins import Plugins


class Checker:
    @hookimpl
    def thcore_checkout(self) -> Any:
        return None


class Runner:
    @hookimpl
    def thcore_execute(self) -> Any:
        return None


class Quiet:
    @hookimpl
    def thcore_analyse(self) -> None:
        return None


@frozen
class PageOptions:
    container: str = option("Where to put it.")
    wait: Seconds = option("How long to wait.", default=Seconds(5.0))


@frozen
class PageSettings:
    server: str = option("Host name.", default="localhost")


class Page:
    @hookimpl
    def thcore_job_options(self) -> type[PageOptions]:
        return PageOptions

    @hookimpl
    def thcore_settings(self) -> type[PageSettings]:
        return PageSettings

    @hookimpl
    def thcore_publish(self) -> None:
        return None


class Broken:
    @hookimpl
    def thcore_execute(self) -> Any:
        return None

    @hookimpl
    def thcore_job_options(self) -> Any:
        raise KeyError("disk")


@pytest.fixture
def plugins() -> Plugins:
    made = Plugins()
    for name, plugin in {
        "checker": Checker(),
        "second": Checker(),
        "runner": Runner(),
        "quiet": Quiet(),
        "page": Page(),
    }.items():
        assert made.add(name, plugin, distribution=f"acme-{name}", version="1.0")
    made.add("broken", Broken(), distribution="acme-broken", version="6.6")
    return made


def config(directory: Path, text: str) -> Config:
    (directory / "config.yaml").write_text(text)
    return load(directory / "config.yaml")


def plan(directory: Path, plugins: Plugins, job: str) -> Plan:
    return make_plans(config(directory, f"jobs:\n  - name: gate\n    {job}\n"), plugins)["gate"]


def problems(directory: Path, plugins: Plugins, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        make_plans(config(directory, text), plugins)
    return caught.value.problems


def problem(directory: Path, plugins: Plugins, job: str) -> str:
    (only,) = problems(directory, plugins, f"jobs:\n  - name: gate\n    {job}\n")
    assert "config.yaml: jobs[0]" in only
    return only


def test_a_plan_says_who_does_which_stage_with_which_options(tmp_path: Path, plugins: Plugins) -> None:
    made = plan(tmp_path, plugins, "plugins: {checker: {}, page: {container: logs, wait: 2m}, runner: {}, quiet: {}}")
    assert made.plugins == ("checker", "page", "runner", "quiet")
    assert made.stages == {
        StageName.CHECKOUT: ("checker",),
        StageName.ENVIRONMENT: (),
        StageName.EXECUTE: ("runner",),
        StageName.ANALYSE: ("quiet",),
        StageName.PUBLISH: ("page",),
    }
    assert made.options == {"checker": None, "page": PageOptions("logs", Seconds(120.0)), "runner": None, "quiet": None}
    assert made.settings["page"] == PageSettings()
    assert [info.distribution for info in made.infos] == ["acme-checker", "acme-page", "acme-runner", "acme-quiet"]
    assert made.timeout_s is None


def test_settings_come_from_the_top_and_options_from_the_job(tmp_path: Path, plugins: Plugins) -> None:
    text = """
plugins: {page: {server: www}}
defaults: {timeout: 90m, plugins: {checker: {}, runner: {}, page: {container: all}}}
jobs:
  - name: one
  - {name: two, timeout: 5s, plugins: {page: {container: two}}}
"""
    made = make_plans(config(tmp_path, text), plugins)
    assert made["one"].settings["page"] == made["two"].settings["page"] == PageSettings("www")
    assert made["one"].options["page"].container == "all"
    assert made["two"].options["page"].container == "two"
    assert (made["one"].timeout_s, made["two"].timeout_s) == (5400.0, 5.0)


def test_all_problems_of_all_jobs_are_told_at_once(tmp_path: Path, plugins: Plugins) -> None:
    text = """
plugins: {page: {sever: www}}
jobs:
  - {name: one, plugins: {checker: {}, second: {}, runner: {}}}
  - {name: two, plugins: {checker: {}}}
  - {name: three, plugins: {checker: {}, runner: {depth: 3}, page: {containr: x}}}
  - {name: four, plugins: {checker: {}, runner: {}, nonsuch: {}}}
"""
    told = problems(tmp_path, plugins, text)
    for expected in (
        ("plugins.page.sever", "did you mean server?"),
        ("jobs[0]", "checker and second can all do the checkout stage", "stages: {checkout: checker}"),
        ("jobs[1]", "no plugin of this job does the execute stage", "runner could"),
        ("jobs[2].plugins.runner.depth", "the plugin takes none"),
        ("jobs[2].plugins.page.containr", "did you mean container?"),
        ("jobs[2].plugins.page", "container"),
        ("jobs[3].plugins.nonsuch", "no such plugin is installed", "pip install thplugins-nonsuch"),
    ):
        assert any(all(part in one for part in expected) for one in told), expected
    assert len(told) == 7


def test_two_plugins_that_could_check_out_are_settled_by_the_job(tmp_path: Path, plugins: Plugins) -> None:
    both = "plugins: {second: {}, checker: {}, runner: {}}"
    assert "second and checker can all do the checkout stage" in problem(tmp_path, plugins, both)
    made = plan(tmp_path, plugins, both + "\n    stages: {checkout: checker}")
    assert made.stages[StageName.CHECKOUT] == ("checker",)
    assert set(made.plugins) == {"second", "checker", "runner"}, "the other one still takes part otherwise"


def test_a_chosen_plugin_must_be_able_to_do_the_stage(tmp_path: Path, plugins: Plugins) -> None:
    told = problem(tmp_path, plugins, "plugins: {checker: {}, runner: {}}\n    stages: {checkout: runner}")
    assert "stages.checkout: runner is not a plugin of this job that does this stage; checker could" in told
    told = problem(tmp_path, plugins, "plugins: {checker: {}, runner: {}}\n    stages: {environment: runner}")
    assert "none of its plugins could" in told


def test_a_job_without_execution_or_checkout_is_refused_and_one_without_environment_is_not(
    tmp_path: Path, plugins: Plugins
) -> None:
    assert "no plugin of this job does the execute stage; runner could" in problem(
        tmp_path, plugins, "plugins: {checker: {}}"
    )
    assert "no plugin of this job does the checkout stage; checker and second could" in problem(
        tmp_path, plugins, "plugins: {runner: {}}"
    )
    assert plan(tmp_path, plugins, "plugins: {checker: {}, runner: {}}").stages[StageName.ENVIRONMENT] == ()


def test_an_unknown_plugin_is_told_with_the_one_that_was_meant(tmp_path: Path, plugins: Plugins) -> None:
    told = problems(tmp_path, plugins, "jobs: [{name: gate, plugins: {checker: {}, shel: {}, runner: {}}}]")
    (problem,) = told
    assert problem == (
        f"{tmp_path}/config.yaml: jobs[0].plugins.shel: no such plugin is installed; "
        "did you mean shell, or is a package missing? pip install thplugins-shel"
    )


def test_an_unknown_plugin_in_several_jobs_is_told_once(tmp_path: Path, plugins: Plugins) -> None:
    text = "defaults: {plugins: {checker: {}, runner: {}, nonsuch: {}}}\njobs: [{name: one}, {name: two}]"
    (told,) = problems(tmp_path, plugins, text)
    assert "pip install thplugins-nonsuch" in told


def test_settings_of_a_plugin_that_is_not_installed_are_told(tmp_path: Path, plugins: Plugins) -> None:
    text = "plugins: {nonsuch: {depth: 3}}\njobs: [{name: gate, plugins: {checker: {}, runner: {}}}]"
    (told,) = problems(tmp_path, plugins, text)
    assert "plugins.nonsuch: no such plugin is installed" in told


@pytest.mark.parametrize("stages", ["", "\n    stages: {execute: broken}"])
def test_a_plugin_that_does_not_load_is_told_alone_with_its_distribution(
    tmp_path: Path, plugins: Plugins, stages: str
) -> None:
    told = problem(tmp_path, plugins, "plugins: {checker: {}, broken: {}}" + stages)
    assert "jobs[0].plugins.broken: plugin broken (acme-broken 6.6): thcore_job_options raised KeyError" in told


def test_only_plugins_that_a_job_uses_or_that_have_settings_are_wanted(tmp_path: Path) -> None:
    text = """
plugins: {page: {}}
defaults: {plugins: {checker: {}, quiet: {}}}
jobs: [{name: gate, plugins: {runner: {}, quiet: false}}]
"""
    assert used_plugins(config(tmp_path, text)) == {"page", "checker", "runner"}
