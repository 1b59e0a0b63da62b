from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from thcore.errors import PluginError
from thcore.hooks import hookimpl
from thcore.model import Finding, Secret, Severity
from thcore.plugins import Plugins
from thcore.plugins.trace import VARIABLE


class Talker:
    """Answers, or raises."""

    def __init__(self, *, raises: bool = False) -> None:
        self.raises = raises

    @hookimpl
    def thcore_analyse(self) -> Iterator[Finding]:
        if self.raises:
            raise KeyError("hunter2")
        yield Finding("told", Severity.INFO, "hunter2")


def traced(monkeypatch: pytest.MonkeyPatch, *, raises: bool = False) -> Plugins:
    monkeypatch.setenv(VARIABLE, "1")
    monkeypatch.setattr(logging.root, "handlers", [])  # as in a command
    plugins = Plugins()
    plugins.add("talker", Talker(raises=raises))
    return plugins


def analyse(plugins: Plugins) -> None:
    plugins.analyse("talker", None, {"token": "hunter2"}, Secret("hunter2"))  # type: ignore[arg-type] # not looked at


def test_each_call_is_told_with_its_plugin_hook_arguments_and_what_came_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    analyse(traced(monkeypatch))

    begun, ended = capsys.readouterr().err.splitlines()
    assert begun == "hook: talker thcore_analyse(build, options, execution) begins"
    assert ended.startswith("hook: talker thcore_analyse answered 1 in a tuple after ")


def test_what_a_plugin_raises_is_told_by_its_own_kind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PluginError):
        analyse(traced(monkeypatch, raises=True))

    assert "hook: talker thcore_analyse raised KeyError after " in capsys.readouterr().err


@pytest.mark.parametrize("raises", [True, False])
def test_no_value_is_told_for_it_may_be_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], raises: bool
) -> None:
    plugins = traced(monkeypatch, raises=raises)

    try:
        analyse(plugins)
    except PluginError:
        assert raises

    told = capsys.readouterr().err
    assert "thcore_analyse" in told
    assert "hunter2" not in told


def test_where_there_is_a_log_calls_are_told_there_whatever_its_level(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plugins = traced(monkeypatch)
    monkeypatch.undo()
    monkeypatch.setattr(logging.root, "level", logging.ERROR)

    analyse(plugins)

    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]


@pytest.mark.parametrize("value", ["", "0"])
def test_nothing_is_told_unless_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    plugins = Plugins()
    plugins.add("talker", Talker())

    analyse(plugins)

    assert capsys.readouterr().err == ""
