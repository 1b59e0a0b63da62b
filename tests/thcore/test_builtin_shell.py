from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from thcore.builtin.shell import ShellOptions, exported, plugin
from thcore.errors import CancelledError, ChangeError, InfrastructureError
from thcore.model import Checkout, Environment, Execution
from thcore.process import Interrupt
from thcore.testing import make_build


def script(tmp_path: Path, text: str) -> Checkout:
    path = tmp_path / "source"
    (path / "tools").mkdir(parents=True)
    (path / "tools" / "gate").write_text(f"#!/bin/sh\n{text}\n")
    (path / "tools" / "gate").chmod(0o755)
    return Checkout(path, "1" * 40)


def execute(
    tmp_path: Path, text: str, parameters: Mapping[str, str] | None = None, *, options: ShellOptions | None = None
) -> tuple[Execution, str]:
    checkout = script(tmp_path, text)
    with make_build(tmp_path, parameters=parameters or {}) as build:
        execution = plugin.thcore_execute(
            build, options or ShellOptions(("./tools/gate",)), checkout, Environment(path=(tmp_path / "bin",))
        )
        return execution, build.workspace.log.read_text()


def test_the_script_runs_in_the_checkout_with_the_parameters_of_the_change(tmp_path: Path) -> None:
    execution, log = execute(
        tmp_path,
        'pwd; echo "$ZUUL_CHANGE,$ZUUL_PATCHSET $LOG_PATH"; test -d "$LOG_DIR" && test "$WORKSPACE" = "$PWD"',
        {"ZUUL_CHANGE": "12345", "ZUUL_PATCHSET": "2 $(date)", "LOG_PATH": "45/12345/2"},
    )

    assert execution == Execution(exit_code=0)
    assert f"gate | {tmp_path / 'source'}\n" in log
    assert "gate | 12345,2 $(date) 45/12345/2\n" in log


def test_arguments_reach_the_script_as_they_are(tmp_path: Path) -> None:
    options = ShellOptions(("./tools/gate", "a b", "$HOME; exit 3", "*"))

    _, log = execute(tmp_path, 'for argument; do echo "<$argument>"; done', options=options)

    assert [line.split("| ")[1] for line in log.splitlines() if "<" in line] == ["<a b>", "<$HOME; exit 3>", "<*>"]


def test_nothing_of_the_worker_is_inherited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")

    _, log = execute(
        tmp_path, "env", {"LD_PRELOAD": "/evil.so", "PATH": "/evil", "OTHER": "x", "ZUUL_URL": "http://z/p"}
    )

    assert "hidden" not in log
    assert "evil" not in log
    assert "OTHER" not in log
    assert "ZUUL_URL=http://z/p" in log
    assert f"PATH={tmp_path / 'bin'}:{os.environ['PATH']}" in log


def test_parameters_cannot_change_how_programs_are_found_or_loaded() -> None:
    hostile = {"PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "BASH_ENV", "ENV", "IFS", "HOME"}
    hostile |= {"THCORE_CHANNEL", "GIT_DIR", "GIT_SSH_COMMAND", "ZUUL_\nX", "ZUUL_X=PATH", "BASH_FUNC_ls%%", ""}

    assert exported(dict.fromkeys(hostile, "x"), ()) == {}
    assert exported({"BRANCH": "main", "ZUUL_X": "a\0b"}, ("BRANCH",)) == {"BRANCH": "main"}
    for name in hostile:
        with pytest.raises(ValueError, match="may not come from outside"):
            ShellOptions(("x",), parameters=(name,))


def test_the_first_line_of_the_result_file_is_the_message(tmp_path: Path) -> None:
    execution, _ = execute(tmp_path, r'printf "too \033[31mslow\nmore\n" > "$THCORE_RESULT_FILE"; exit 3')

    assert execution == Execution(exit_code=3, message="too  [31mslow", reason="exit status 3")


def test_a_long_message_is_cut(tmp_path: Path) -> None:
    execution, _ = execute(tmp_path, 'head -c 1000000 /dev/zero | tr "\\0" x > "$THCORE_RESULT_FILE"')

    assert execution.message == "x" * 500 + "…"


@pytest.mark.parametrize(
    "make", ["ln -s /etc/passwd $THCORE_RESULT_FILE", "mkfifo $THCORE_RESULT_FILE", "mkdir $THCORE_RESULT_FILE"]
)
def test_a_result_that_is_no_plain_file_is_not_read(tmp_path: Path, make: str) -> None:
    execution, _ = execute(tmp_path, make)

    assert execution.message == ""


def test_a_result_behind_a_link_to_another_directory_is_not_read(tmp_path: Path) -> None:
    options = ShellOptions(("./tools/gate",), result_file="sub/passwd")

    execution, _ = execute(tmp_path, 'rm -r "$LOG_DIR/sub"; ln -s /etc "$LOG_DIR/sub"', options=options)

    assert execution == Execution(exit_code=0)


def test_a_signal_is_told_as_a_shell_would(tmp_path: Path) -> None:
    execution, _ = execute(tmp_path, "kill -SEGV $$")

    assert execution.exit_code == 139


@pytest.mark.parametrize("name", ["./tools/missing", "../outside", "tools/../../outside", "./tools"])
def test_a_script_that_the_change_does_not_have_is_its_fault(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").write_text("#!/bin/sh\n")
    (tmp_path / "outside").chmod(0o755)

    with pytest.raises(ChangeError) as raised:
        execute(tmp_path, "exit 0", options=ShellOptions((name,)))

    assert raised.value.code == "script-missing"


def test_a_script_that_is_not_executable_is_the_changes_fault(tmp_path: Path) -> None:
    checkout = script(tmp_path, "exit 0")
    (checkout.path / "tools" / "gate").chmod(0o644)

    with make_build(tmp_path) as build, pytest.raises(ChangeError, match="not executable"):
        plugin.thcore_execute(build, ShellOptions(("./tools/gate",)), checkout, Environment())


def test_a_program_that_the_worker_lacks_is_no_fault_of_the_change(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError):
        execute(tmp_path, "exit 0", options=ShellOptions(("no-such-program",)))


def test_a_cancelled_script_ends(tmp_path: Path) -> None:
    checkout = script(tmp_path, "exec sleep 60")
    with Interrupt() as interrupt, make_build(tmp_path, interrupt=interrupt) as build:
        interrupt.cancel("enough")
        with pytest.raises(CancelledError):
            plugin.thcore_execute(build, ShellOptions(("./tools/gate",)), checkout, Environment())


@pytest.mark.parametrize("name", ["/etc/result", "../result", "", "."])
def test_a_result_file_outside_the_evidence_is_a_configuration_error(name: str) -> None:
    with pytest.raises(ValueError, match="result_file"):
        ShellOptions(("x",), result_file=name)


def test_an_empty_script_is_a_configuration_error() -> None:
    with pytest.raises(ValueError, match="script is empty"):
        ShellOptions(())
