from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import attrs
import click
import pytest
import yaml

from thcore.cli.main import cli
from thcore.config import load
from thcore.pipeline.plan import make_plans, used_plugins
from thcore.plugins import Plugins
from thplugins_dbmigration import dataset_file, datasets
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines import mysql, postgresql
from thplugins_dbmigration.template import Placeholders
from thplugins_dbmigration.walk.release import Fixup, Release

from parts.example import blocks

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (
    *sorted(DOCS.glob("*.md")),
    *sorted(DOCS.glob("*/*.md")),
    *(path for name in ("README.md", "CONTRIBUTING.md") if (path := ROOT / name).exists()),
    *sorted(ROOT.glob("th*/README.md")),
)
EXAMPLE_PLUGINS = {"pauses"}


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every call of thcore in the documentation, with the place where it stands."""
    for page in PAGES:
        for language in ("console", "shell", "sh", "bash"):
            for block in blocks(page, language):
                for line in block.splitlines():
                    if (call := line.removeprefix("$ ")).startswith("thcore "):
                        yield f"{page.name}: {call}", shlex.split(call, comments=True)[1:]
        for call in re.findall(r"`thcore ([a-z][^`|]*)`", page.read_text("utf-8")):
            yield f"{page.name}: {call}", shlex.split(call)


def parse(words: list[str]) -> click.Command:
    """Find the command of a call and check its options; arguments that are left out are forgiven."""
    group, context = cli, click.Context(cli, info_name="thcore")
    while isinstance(group, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        command = group.get_command(context, name)
        assert command is not None, name
        context = click.Context(command, parent=context, info_name=name)
        group = command  # type: ignore[assignment] # a group or the command itself
    known = {flag for option in group.params for flag in (*option.opts, *option.secondary_opts)}
    given = {word.partition("=")[0] for word in words if word.startswith("-")}
    assert given <= known | {"--help", "-h", "--"}
    return group


def test_every_command_in_the_documentation_exists_with_its_options() -> None:
    calls = list(commands())

    assert len(calls) > 10
    for place, words in calls:
        try:
            parse(words)
        except AssertionError as error:
            pytest.fail(f"{place}: {error}")


def test_a_command_that_does_not_exist_is_noticed() -> None:
    with pytest.raises(AssertionError):
        parse(["run", "job", "--no-such-option"])
    with pytest.raises(AssertionError):
        parse(["no-such-command"])


def configurations() -> Iterator[tuple[str, str]]:
    """Every block and file that is a whole configuration, and fragments of jobs made whole."""
    for path in sorted(DOCS.glob("examples/**/*.yaml")):
        yield str(path.relative_to(ROOT)), path.read_text("utf-8")
    for page in PAGES:
        for number, block in enumerate(blocks(page, "yaml")):
            content: Mapping[str, Any] = yaml.safe_load(block)
            place = f"{page.parent.name}/{page.name}, block {number}"
            if "projects" in content:  # Zuul's layout
                continue
            if "limits" in content.get("dbmigration", {}):  # a policy file, see test_policy_page
                continue
            if "jobs" in content:
                yield place, block
            elif content.keys() & {"defaults", "plugins"}:
                job = {"name": "job", "plugins": {"shell": {"script": ["true"]}, "git": {}}}
                yield place, yaml.safe_dump({**content, "jobs": [job]})
            else:
                yield place, yaml.safe_dump({"jobs": [{"name": "job", "plugins": {"git": {}, **content}}]})


@pytest.mark.parametrize(("place", "text"), [pytest.param(*found, id=found[0]) for found in configurations()])
def test_every_configuration_in_the_documentation_loads_and_makes_a_plan(
    place: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "thcore.yaml"
    text = re.sub(r"\{file: /etc/thcore/history\.url\}", "sqlite:////history", text)
    for variable in re.findall(r"\benv: (\w+)", text):
        monkeypatch.setenv(variable, "a secret")
    path.write_text(text, "utf-8")

    config = load(path)

    if not EXAMPLE_PLUGINS & used_plugins(config):
        plugins = Plugins.installed(used_plugins(config))
        if all(plugins.implementing("thcore_execute", job.plugins) for job in config.jobs):
            assert make_plans(config, plugins)


def test_problems_are_shown_as_they_are_reported(tmp_path: Path) -> None:
    (shown,) = [block for block in blocks(DOCS / "configuration.md", "text") if "did you mean" in block]
    (tmp_path / "thcore.yaml").write_text(
        "slot: 2\njobs: [{name: gate, plugins: {git: {}, dbmigration: {datasets: /d, dataset: /srv}}}]\n"
    )
    reported = thcore("config", "check", "--json", "-c", "thcore.yaml", cwd=tmp_path)
    (tmp_path / "thcore.yaml").write_text(
        "jobs: [{name: gate, plugins: {git: {}, dbmigration: {datasets: /d, dataset: /srv}}}]\n"
    )
    more = thcore("config", "check", "--json", "-c", "thcore.yaml", cwd=tmp_path)

    assert shown.splitlines() == [*json.loads(reported.stdout)["problems"], *json.loads(more.stdout)["problems"]]


def test_every_key_of_a_dataset_is_described() -> None:
    page = (DOCS / "migration-gate.md").read_text("utf-8")

    for key in dataset_file.keys_of(dataset_file.DatasetFile):
        assert f"`{key}`" in page, key


def test_the_example_of_a_dataset_can_be_read() -> None:
    dataset, problems = datasets.read(DOCS / "examples" / "command" / "dataset")

    assert not problems
    assert dataset is not None


def test_the_example_of_a_dataset_with_releases_is_one_and_every_key_is_described() -> None:
    page = DOCS / "walk.md"
    (example,) = blocks(page, "json")
    written = dataset_file.parse(example)
    assert isinstance(written, dataset_file.DatasetFile), written
    text = page.read_text("utf-8")
    assert [
        key for key in (*dataset_file.keys_of(Release), *dataset_file.keys_of(Fixup)) if f"`{key}`" not in text
    ] == []


def test_every_placeholder_is_described() -> None:
    page = (DOCS / "bring-your-project.md").read_text("utf-8")
    address = Address("sqlite", "/tmp/file")
    words = Placeholders.of(address, dataset="d", checkout=Path("/"), workspace=Path("/"), config=Path("/")).words

    for word in (*words, "url", "step", "from", "current"):
        assert f"`{{{word}}}`" in page, word


def test_every_engine_and_tool_has_a_page() -> None:
    for kind in ("engines", "tools"):
        for point in entry_points(group=f"thplugins_dbmigration.{kind}"):
            assert (DOCS / kind / f"{point.name}.md").is_file(), point.name


def test_every_setting_of_a_server_is_on_the_page_of_its_engine() -> None:
    for name, settings in (("mysql", mysql.SETTINGS), ("postgresql", postgresql.SETTINGS)):
        page = (DOCS / "engines" / f"{name}.md").read_text("utf-8")
        for setting in settings:
            assert setting.removeprefix("--").removeprefix("loose-").partition("=")[0] in page, setting


def thcore(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": str(cwd), "LANG": "C.UTF-8"}
    command = [sys.executable, "-m", "thcore.cli.main", *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_the_options_that_examples_show_are_those_of_the_classes() -> None:
    """The text under ``example`` of every option is YAML."""
    plugins = Plugins.installed()
    for name in plugins.names:
        for cls in (plugins.get(name).options, plugins.get(name).settings):
            for field in attrs.fields(cls) if cls else ():
                if (example := field.metadata.get("example")) is not None:
                    assert yaml.safe_load(f"{field.name}: {example}")[field.name] is not None
