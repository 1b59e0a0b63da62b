from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs
import jsonschema
import pytest
import yaml
from attrs import frozen
from click.testing import CliRunner

from thcore.cli.main import cli
from thcore.config import PluginClasses, json_schema, load
from thcore.config.convert import check, file_keys
from thcore.config.problem import WrongError
from thcore.errors import ConfigError
from thcore.hooks import option
from thcore.model import Bytes, Seconds, Secret
from thcore.plugins import Plugins


class Colour(enum.Enum):
    RED = "red"
    NONE = "off"


@frozen
class Branch:
    """A branch of a tree."""

    name: str = option("How it is called.")
    branches: tuple[Branch, ...] = option("What grows on it.", default=())


@frozen
class Options:
    """One key of every type that a file can give."""

    text: str = option("A text.", default="a")
    path: Path | None = option("A path.", default=None)
    number: float = option("A number.", default=1.5)
    count: int = option("A count.", default=1)
    flag: bool = option("A flag.", default=False)
    pause: Seconds = option("A pause.", default=Seconds(90.0))
    room: Bytes = option("Room.", default=Bytes(1024))
    word: Secret | None = option("A secret.", default=None)
    colour: Colour = option("A colour.", default=Colour.RED)
    level: Literal["on", "off", 3] = option("A level.", default="on")
    either: int | str = option("One or the other.", default=1)
    anything: Any = option("Anything.", default=None)
    names: tuple[str, ...] = option("Names.", factory=tuple)
    pair: tuple[int, str] = option("Two.", default=(1, "a"))
    many: frozenset[int] = option("Many.", factory=frozenset)
    tree: Branch | None = option("A tree.", default=None)
    table: Mapping[str, Seconds] = option("A table.", factory=dict)


VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        3,
        -1,
        2.5,
        -0.5,
        "",
        "a",
        "red",
        "off",
        "on",
        "90s",
        "1h30m",
        "1 h",
        "-5s",
        "5 parsecs",
    ),
    *("64MiB", "2 g", "64 MiB!", [], ["a"], [1, "a"], ["a", 1], [1, 2], [[]], {}, {"a": "2h"}, {"a": 1}, {"a": "b"}),
    *({"env": "HOME"}, {"env": ""}, {"file": "/nowhere", "env": "HOME"}, {"name": "oak"}, {"name": 1}, {"nam": "oak"}),
    *({"name": "oak", "branches": [{"name": "twig"}]}, {"name": "oak", "branches": [{"name": 3}]}),
)


def validator(**plugins: PluginClasses) -> jsonschema.Draft7Validator:
    schema = json_schema(plugins)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(json.loads(json.dumps(schema)))


def with_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {"jobs": [{"name": "gate", "plugins": {"made": options}}]}


def reads(cls: type[Any], values: Mapping[str, Any]) -> bool:
    try:
        check(values, cls)
    except WrongError:
        return False
    return True


@pytest.mark.parametrize("key", [field.name for field in attrs.fields(Options)])
def test_the_schema_takes_of_every_type_what_the_reader_takes_and_nothing_else(key: str) -> None:
    schema = validator(made=PluginClasses(Options, None))
    taken = [value for value in VALUES if reads(Options, {key: value})]

    assert taken, key
    for value in VALUES:
        assert schema.is_valid(with_options({key: value})) == reads(Options, {key: value}), value


def test_what_the_reader_takes_of_every_installed_plugin_is_valid() -> None:
    """Validators know more than types, so the other direction holds for classes without them only."""
    plugins = Plugins.installed()
    classes = {name: PluginClasses(plugins.get(name).options, plugins.get(name).settings) for name in plugins.names}
    schema = validator(**classes)

    for name, plugin in classes.items():
        for key, field in file_keys(plugin.options).items() if plugin.options else ():
            alone = attrs.make_class("Alone", {key: attrs.field(type=field.type, validator=field.validator)})
            for value in VALUES:
                if reads(alone, {key: value}):
                    written = {"jobs": [{"name": "gate", "plugins": {name: {key: value}}}]}
                    assert schema.is_valid(written), (name, key, value)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("jobs: [{name: gate, plugins: {git: {base_url: /srv}}}]", None),
        ("jobs: [{name: gate, plugins: {git: }}]", None),
        ("{defaults: {plugins: {git: {base_url: /srv}}}, jobs: [{name: gate, plugins: {git: false, venv: }}]}", None),
        ("{jobs: [{name: gate, plugins: {git: }}], slot: 2}", "slot"),
        ("{jobs: [{name: gate, plugins: {git: {base_ur: /srv}}}]}", "base_ur"),
        ("{jobs: [{name: gate, plugins: {got: {}}}]}", "got"),
        ("{jobs: [{plugins: {git: }}]}", "name"),
        ("{defaults: {plugins: {git: false}}, jobs: [{name: gate, plugins: {git: }}]}", "False"),
        ("{jobs: [{name: gate, plugins: {git: }}], drain_timeout: 2 ages}", "2 ages"),
        ("{jobs: [{name: gate, plugins: {git: }}], plugins: {venv: {keep: many}}}", "many"),
        ("slots: 2", "jobs"),
    ],
)
def test_an_editor_marks_what_the_worker_would_refuse(text: str, wrong: str | None, tmp_path: Path) -> None:
    ended = CliRunner().invoke(cli, ["config", "schema"])
    schema = jsonschema.Draft7Validator(json.loads(ended.stdout))
    marks = [str(error) for error in schema.iter_errors(yaml.safe_load(text))]

    assert ended.exit_code == 0
    assert bool(marks) == (wrong is not None)
    assert wrong is None or wrong in marks[0]
    (tmp_path / "thcore.yaml").write_text(text)
    if wrong is None:
        load(tmp_path / "thcore.yaml")
    elif wrong in {"slot", "name", "2 ages", "jobs"}:  # the others are found with the plugins
        with pytest.raises(ConfigError, match=wrong):
            load(tmp_path / "thcore.yaml")


def test_no_secret_is_in_the_schema() -> None:
    @frozen
    class Keeper:
        word: Secret = option("A secret.", default=Secret("open sesame"))

    assert "sesame" not in json.dumps(json_schema({"made": PluginClasses(Keeper, Keeper)}))
