from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from thcore.cli import arguments as shared
from thcore.cli import main as entry
from thcore.cli.main import COMMANDS, cli, main
from thcore.errors import ConfigError, ExitCode, InfrastructureError, PluginError
from thcore.gearman.embedded import EmbeddedServer
from thcore.testing.ports import free_port

from parts.distribution import Site, site

CONFIG = """
directories: {state: /nowhere/state}
secrets: {upload: hunter2-hunter2}
jobs:
  - name: gate
    plugins:
      git: {base_url: https://opendev.example.org}
      shell: {script: [./check.sh], variables: {MOOD: good}}
"""


def paths(group: click.Group, *above: str) -> Iterator[tuple[str, ...]]:
    """The words of every command and group below a group, those of plugins included."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*above, name)
        if isinstance(command, click.Group):
            yield from paths(command, *above, name)


ALL = tuple(paths(cli))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "thcore.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path / "site") as made:
        yield made


def called(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code and both outputs of the command as a user would see them."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


@pytest.mark.parametrize("command", [(), *ALL], ids=" ".join)
def test_the_help_of_each_command_fits_a_terminal_and_has_an_example(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*command, "--help"], terminal_width=80, prog_name="thcore")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert len(lines) <= 40
    assert [line for line in lines if len(line) > 80] == []
    (example,) = (line for line in lines if line.strip().startswith("Example: "))
    assert example.strip().startswith(f"Example: thcore {' '.join(command)}".strip())


def test_a_summary_in_the_list_of_commands_is_whole() -> None:
    output = CliRunner().invoke(cli, ["--help"], terminal_width=80).output

    assert "..." not in output.partition("Commands:")[2]


def test_the_list_of_commands_names_each_with_its_purpose() -> None:
    output = CliRunner().invoke(cli, ["--help"], terminal_width=80).output
    for name in COMMANDS:
        (line,) = (line for line in output.splitlines() if line.strip().startswith(f"{name} "))
        assert len(line.split()) > 2


def test_a_mistyped_command_is_told_with_the_one_that_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = called("confg", capsys=capsys)
    assert code == ExitCode.USAGE
    assert "No such command 'confg'. Did you mean config?" in err
    assert "Did you mean" not in called("zzzzzz", capsys=capsys)[2]


def test_the_configuration_is_checked(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = called("config", "check", "-c", config, capsys=capsys)
    assert (code, out, err) == (0, f"{config}: all is well; 1 job.\n", "")
    code, out, err = called("config", "check", "--json", "-c", config, capsys=capsys)
    assert (code, json.loads(out)) == (0, {"file": str(config), "problems": [], "notes": []})
    config.write_text(CONFIG + CONFIG.partition("jobs:\n")[2].replace("gate", "second"))
    assert called("config", "check", "-c", config, capsys=capsys)[1].endswith("all is well; 2 jobs.\n")


def test_a_wrong_configuration_lists_every_problem(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(CONFIG.replace("base_url", "base_ur").replace("shell:", "shel:"))
    code, out, _ = called("config", "check", "-c", config, capsys=capsys)
    assert code == ExitCode.CONFIG
    assert "did you mean base_url?" in out
    assert "did you mean shell, or" in out
    assert out.endswith("problems.\n")
    code, out, _ = called("config", "check", "--json", "-c", config, capsys=capsys)
    assert code == ExitCode.CONFIG
    assert len(json.loads(out)["problems"]) >= 2


@pytest.mark.parametrize("command", ["check", "show"])
@pytest.mark.parametrize("text", [None, "", "jobs: [", "jobs: 5", "\x00", "- a list"])
def test_a_file_that_is_none_or_no_configuration_is_told_without_a_traceback(
    tmp_path: Path, command: str, text: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd.yaml"
    if text is not None:
        path.write_text(text)
    code, out, err = called("config", command, "-c", path, capsys=capsys)
    assert code == ExitCode.CONFIG
    assert "odd.yaml" in out + err
    assert "Traceback" not in err


@pytest.mark.parametrize("flag", [[], ["--json"]])
def test_the_configuration_is_shown_with_defaults_and_without_secrets(
    config: Path, place: Site, flag: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    place.plugin(
        "chat",
        "from attrs import frozen\nfrom thcore.hooks import hookimpl, option\nfrom thcore.model import Secret\n"
        "@frozen\nclass Options:\n    token: Secret = option('Word.')\n    room: str = option('Room.', default='ci')\n"
        "class Chat:\n"
        "    @hookimpl\n    def thcore_job_options(self): return Options\nplugin = Chat()\n",
    )
    config.write_text(CONFIG + "      chat: {token: s3cr3t-word}\n      unknown: {password: an0ther-word}\n")
    code, out, err = called("config", "show", "-c", config, *flag, capsys=capsys)
    assert code == 0, err
    assert "slots: 1" in out or '"slots": 1' in out
    assert "room" in out
    assert "MOOD" in out
    for word in ("hunter2", "s3cr3t", "an0ther"):
        assert word not in out
    if flag:
        assert json.loads(out)["jobs"][0]["plugins"]["chat"] == {"token": "***", "room": "ci"}


def test_plugins_are_listed_as_json_with_their_problems(place: Site, capsys: pytest.CaptureFixture[str]) -> None:
    place.plugin("faulty", "raise RuntimeError('[/red] [bold]odd[/bold] \\x1b[2J')\n")
    code, out, _ = called("plugins", "--json", capsys=capsys)
    assert code == ExitCode.CONFIG
    entries: dict[str, dict[str, Any]] = {entry["name"]: entry for entry in json.loads(out)}
    assert set(entries["shell"]) >= {"name", "distribution", "version", "stages", "options", "problems"}
    assert (entries["shell"]["distribution"], entries["shell"]["stages"]) == ("thcore", ["execute"])
    assert entries["shell"]["options"][0]["name"] == "script"
    assert "RuntimeError" in entries["faulty"]["problems"][0]
    code, out, _ = called("plugins", capsys=capsys)
    assert code == ExitCode.CONFIG
    assert "script (required)" in out
    assert "faulty (acme-faulty 1.2.3): its import failed: RuntimeError: [/red] [bold]odd[/bold] \\x1b[2J" in out


def test_a_plugin_adds_commands_and_a_broken_one_is_a_warning(place: Site, capsys: pytest.CaptureFixture[str]) -> None:
    source = (
        "import click\nfrom thcore.hooks import hookimpl\n@click.command()\ndef {name}():\n    'Say it.'\n"
        "    click.echo('said')\nclass Plugin:\n"
        "    @hookimpl\n    def thcore_commands(self):\n        return [{name}]\n"
        "plugin = Plugin()\n"
    )
    place.plugin("hello", source.format(name="hello"))
    place.plugin("shadow", source.format(name="serve"))
    place.plugin("twin", source.format(name="hello"))
    place.plugin("sad", source.format(name="sad").replace("return [sad]", "raise ValueError('no')"))
    code, out, err = called("hello", capsys=capsys)
    assert (code, out) == (0, "said\n")
    assert "Warning: plugin sad (acme-sad 1.2.3), thcore_commands raised ValueError: no" in err
    assert "Warning: plugin shadow: its command serve has the name of another" in err
    assert "Warning: plugin twin: its command hello has the name of another" in err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("a: wrong", "b: wrong"), ExitCode.CONFIG),
        (PluginError("plugin x"), ExitCode.CONFIG),
        (InfrastructureError("disk"), ExitCode.UNVERIFIED),
        (InfrastructureError("gone", code="gearman-unreachable"), ExitCode.UNAVAILABLE),
        (click.UsageError("how"), ExitCode.USAGE),
        (click.ClickException("odd"), ExitCode.INTERNAL),
        (click.Abort(), ExitCode.CANCELLED),
        (KeyboardInterrupt(), ExitCode.CANCELLED),
        (ZeroDivisionError("a bug"), ExitCode.INTERNAL),
    ],
)
def test_an_error_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    def fail(**_arguments: object) -> None:
        raise error

    monkeypatch.setattr(entry.cli, "main", fail)
    found, out, err = called(capsys=capsys)
    assert (found, out) == (code, "")
    assert ("Traceback" in err) == isinstance(error, ZeroDivisionError)
    if isinstance(error, ConfigError):
        assert err.splitlines() == [
            "Error: a: wrong",
            "Error: b: wrong",
            "In the documentation: configuration.html, plugins.html",
        ]


SUBMIT = ("submit", "gate-shop", "--project", "example/shop", "--branch", "main")


@pytest.mark.system
def test_a_build_that_no_worker_offers_is_queued_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    with EmbeddedServer() as server:
        code, out, err = called(*SUBMIT, "--server", server.address, "--no-follow", capsys=capsys)
        assert code == 0
        assert len(out.strip()) == 32
        assert "Warning: no worker at" in " ".join(err.split())
        assert "build:gate-shop" in " ".join(err.split())
        code, out, _ = called(*SUBMIT, "--server", server.address, "--no-follow", "--json", capsys=capsys)
        assert list(json.loads(out)) == ["build"]


@pytest.mark.system
@pytest.mark.parametrize("more", [(), ("--no-follow",), ("--json",)])
def test_a_server_that_does_not_answer_exits_with_69(more: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    address = f"127.0.0.1:{free_port()}"
    code, out, err = called(*SUBMIT, "--server", address, *more, capsys=capsys)
    assert (code, out) == (ExitCode.UNAVAILABLE, "")
    assert f"Error: the Gearman server {address} cannot be reached" in err


def test_an_address_that_is_none_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = called(*SUBMIT, "--server", "::::", capsys=capsys)
    assert code == ExitCode.USAGE
    assert "Gearman server '::::' is no address" in err


def test_the_version_is_told() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "thcore.cli.main", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("thcore ")


@pytest.mark.parametrize("command", [["--help"], ["-h"]])
def test_turbo_hipster_is_serve_under_its_old_name_and_options(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        entry.turbo_hipster(command)

    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith("Usage: turbo-hipster [OPTIONS]")
    for option in ("-c, --config", "-b, --background", "-p, --pidfile"):
        assert option in out


def test_turbo_hipster_prints_the_path_of_its_configuration(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(config.parent)
    monkeypatch.delenv("THCORE_CONFIG", raising=False)

    for command in (["-c"], ["--config"], ["-b", "--config"], ["-c", "-b"]):
        with pytest.raises(SystemExit) as caught:
            entry.turbo_hipster(command)
        assert (caught.value.code, capsys.readouterr().out) == (0, f"{config}\n")


def test_turbo_hipsters_errors_are_told_as_thcores_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        entry.turbo_hipster(["-c", str(tmp_path / "none.json"), "--background"])

    assert caught.value.code == ExitCode.CONFIG
    assert "none.json: there is no such file" in capsys.readouterr().err


def test_turbo_hipsters_configuration_is_taken_with_a_hint_when_there_is_none_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "config.json"
    shell = {"name": "shell_script", "function": "build:gate", "shell_script": "./check.sh"}
    old.write_text(json.dumps({"zuul_server": {"gearman_host": "zuul"}, "plugins": [shell]}))
    monkeypatch.delenv("THCORE_CONFIG", raising=False)
    monkeypatch.setattr(shared, "TURBO_HIPSTERS", (old,))
    monkeypatch.setattr(sys.modules["thcore.config.load"], "CANDIDATES", (tmp_path / "thcore.yaml", old))

    code, shown, err = called("config", "show", capsys=capsys)

    assert code == 0
    assert f"turbo-hipster's {old} is used" in err
    assert f"thcore config show -c {old}" in err
    (tmp_path / "thcore.yaml").write_text(shown)
    code, out, err = called("config", "show", capsys=capsys)
    assert (code, out, err) == (0, shown, ""), "what it printed is a configuration of ours"
    assert called("config", "show", "-c", old, capsys=capsys)[2] == ""
