"""Options and settings of plugins: where they were written, and how they are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from thcore.config import Config, changed_options, job_options, load, plugin_settings, shown, written_option
from thcore.errors import ConfigError
from thcore.hooks import option
from thcore.model import Seconds, Secret


@frozen
class SwiftOptions:
    container: str = option("Where to.")
    password: Secret = option("The password.")
    lifetime: Seconds = option("How long.", default=Seconds(60.0))
    headers: dict[str, str] = option("More.", factory=dict)


@frozen
class SwiftSettings:
    threads: int = option("How many.", default=1)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "config.yaml"
    path.write_text(
        """
defaults: {plugins: {swift: {container: logs, lifetime: soon, headers: {a: 1}}}}
jobs:
  - {name: a, plugins: {shell: {}, swift: {pasword: hush}}}
  - {name: b, plugins: {shell: {script: hush}, swift: {password: hush, lifetime: 2h, headers: {}}}}
plugins: {swift: {threads: 2}}
"""
    )
    return load(path)


def problems_of(call: Any, *arguments: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        call(*arguments)
    return [problem.rsplit("/", 1)[-1] for problem in caught.value.problems]


def test_problems_of_options_name_the_key_in_the_job_or_in_the_defaults(config: Config) -> None:
    assert problems_of(job_options, config.jobs[0], "swift", SwiftOptions) == [
        "config.yaml: jobs[0].plugins.swift.pasword: unknown key; did you mean password?",
        "config.yaml: jobs[0].plugins.swift.password: required, but missing; add it: The password",
        "config.yaml: defaults.plugins.swift.lifetime: 'soon' is not a duration; write for example 90s, 15m or 1h30m",
        "config.yaml: defaults.plugins.swift.headers.a: expected text, got 1; put quotes around it",
    ]


def test_options_are_read_with_the_plugins_class(config: Config) -> None:
    assert job_options(config.jobs[1], "swift", SwiftOptions) == SwiftOptions("logs", Secret("hush"), Seconds(7200.0))
    assert job_options(config.jobs[0], "shell", None) is None
    assert problems_of(job_options, config.jobs[1], "shell", None) == [
        "config.yaml: jobs[1].plugins.shell.script: unknown key; the plugin takes none, remove it"
    ]


def test_keys_are_laid_over_options_and_the_rest_stays(config: Config) -> None:
    options = job_options(config.jobs[1], "swift", SwiftOptions)
    assert changed_options(options, {"lifetime": "90s"}, "options of juno: swift") == SwiftOptions(
        "logs", Secret("hush"), Seconds(90.0)
    )
    assert changed_options(None, {}, "options of juno: shell") is None
    assert options.lifetime == 7200


def test_keys_that_do_not_fit_are_told_all_at_once(config: Config) -> None:
    options = job_options(config.jobs[1], "swift", SwiftOptions)
    where = "options of juno: swift"
    assert problems_of(changed_options, options, {"lifetme": 1, "headers": {"a": 1}, "container": None}, where) == [
        "options of juno: swift.lifetme: unknown key; did you mean lifetime?",
        "options of juno: swift.container: expected text, got nothing",
        "options of juno: swift.headers.a: expected text, got 1; put quotes around it",
    ]
    assert problems_of(changed_options, None, {"depth": 1}, "options of juno: shell") == [
        "options of juno: shell.depth: unknown key; the plugin takes none, remove it"
    ]
    assert problems_of(changed_options, options, ["lifetime"], where) == [
        "options of juno: swift: expected a mapping, got a list"
    ]


def test_what_is_written_on_a_command_line_is_text_where_it_can_be_and_else_what_the_file_would_have(
    config: Config,
) -> None:
    options, where = job_options(config.jobs[1], "swift", SwiftOptions), "--option: swift"
    assert written_option(options, "container", "007", where).container == "007"
    assert written_option(options, "lifetime", "90s", where).lifetime == 90
    assert written_option(options, "headers", "{a: b}", where).headers == {"a": "b"}
    assert problems_of(written_option, options, "headers", "[a]", where) == [
        "--option: swift.headers: expected a mapping, got a list"
    ]
    assert problems_of(written_option, options, "lifetme", "90s", where) == [
        "--option: swift.lifetme: unknown key; did you mean lifetime?"
    ]
    assert problems_of(written_option, options, "headers", "{a: b, a: c}", where) == [
        "--option: swift.headers.a: given twice, in line 1 and in line 1; keep one"
    ]
    (told,) = problems_of(written_option, options, "headers", "{a: ", where)
    assert told.startswith("--option: swift: ")


def test_settings_are_read_and_default_without_being_mentioned(config: Config) -> None:
    assert plugin_settings(config, "swift", SwiftSettings) == SwiftSettings(2)
    assert plugin_settings(config, "other", SwiftSettings) == SwiftSettings(1)
    assert plugin_settings(config, "other", None) is None
    assert problems_of(plugin_settings, config, "swift", None) == [
        "config.yaml: plugins.swift.threads: unknown key; the plugin takes none, remove it"
    ]
    assert problems_of(plugin_settings, Config(jobs=config.jobs), "other", SwiftOptions)[0].startswith(
        "configuration: plugins.other.container: required, but missing"
    )


def test_the_configuration_is_shown_without_any_secret(config: Config) -> None:
    classes = {"swift": SwiftOptions}
    data = shown(config, classes.__getitem__, {"swift": SwiftSettings}.__getitem__)
    assert "hush" not in repr(data)
    assert data["jobs"][1]["plugins"] == {
        "swift": {"container": "logs", "password": "***", "lifetime": 7200, "headers": {}},
        "shell": {"script": "***"},
    }
    assert data["jobs"][0]["plugins"]["swift"] == {
        "container": "***",
        "lifetime": "***",
        "headers": {"a": "***"},
        "pasword": "***",
    }
    assert data["plugins"] == {"swift": {"threads": 2}}
    assert "where" not in data["jobs"][0]
    assert shown(config, lambda _: None, lambda _: None)["jobs"][0]["plugins"]["shell"] == {}
