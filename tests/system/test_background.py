"""``thcore serve -b`` and ``turbo-hipster``: a worker in the background, its PID file, what the terminal is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from thcore.testing.gearmand import Gearmand
from thcore.testing.ports import free_port
from thcore.testing.repository import Repository

from parts.distribution import Site
from parts.zuul import Zuul, ZuulBuild

pytestmark = pytest.mark.system

SCRIPT = """\
#!/bin/sh
touch started
while [ -n "$ZUUL_WAIT" ] && [ ! -e "$ZUUL_WAIT" ]; do sleep 0.05; done
"""
TIMER = ("ZUUL_REF", "ZUUL_COMMIT", "ZUUL_CHANGE", "ZUUL_PATCHSET", "ZUUL_CHANGES", "ZUUL_CHANGE_IDS", "ZUUL_URL")
DEADLY = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"


class Host:
    """A directory with a configuration, in which workers are started as an operator or an init script does."""

    def __init__(self, directory: Path, server: str) -> None:
        self.directory = directory
        self.server = server
        self.pidfile = directory / "run" / "worker.pid"
        self.log = directory / "state" / "worker.log"
        self.pidfile.parent.mkdir(parents=True)
        Repository(directory / "origin" / "example" / "tool").commit({"go.sh": SCRIPT}, "script")

    def configure(self, name: str = "thcore.yaml", **configuration: Any) -> Path:
        """Write a configuration: that of a worker with one job, with ``configuration`` laid over it."""
        content = {
            "gearman": {"servers": [self.server], "name": "worker-in-background"},
            "directories": {"state": "state"},
            "kill_grace": "2s",
            "jobs": [
                {
                    "name": "hello",
                    "plugins": {
                        "git": {"base_url": str(self.directory / "origin")},
                        "shell": {"script": ["sh", "go.sh"]},
                        "exit_status": {},
                        "publish_local": {"path": str(self.directory / "results")},
                    },
                }
            ],
            **configuration,
        }
        path = self.directory / name
        path.write_text(json.dumps(content) if path.suffix == ".json" else yaml.safe_dump(content))
        return path

    def call(
        self,
        *arguments: object,
        command: Sequence[str] = ("-m", "thcore.cli.main", "serve"),
        environment: dict[str, str] | None = None,
        **popen: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Start a worker and wait until the command has returned and nobody holds its outputs any more."""
        return subprocess.run(
            [sys.executable, *command, *map(str, arguments)],
            cwd=self.directory,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **popen,
        )

    def process(self) -> psutil.Process:
        """The worker that the PID file names."""
        return psutil.Process(int(self.pidfile.read_text()))

    def processes(self) -> list[psutil.Process]:
        """Everything that works in this directory."""
        found = []
        for process in psutil.process_iter():
            try:
                if Path(process.cwd()).is_relative_to(self.directory):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found


@pytest.fixture
def host(tmp_path: Path, gearmand: Gearmand) -> Iterator[Host]:
    made = Host(tmp_path / "host", gearmand.address)
    yield made
    left = made.processes()
    for process in left:
        process.kill()
    if made.log.exists():
        print(made.log.read_text())  # shown for a test that failed
    assert left == [], "a test ends the workers that it starts"


def launch(zuul: Zuul, job: str = "hello", **parameters: Any) -> ZuulBuild:
    return zuul.launch(
        job, **{**dict.fromkeys(TIMER), "ZUUL_PROJECT": "example/tool", "ZUUL_BRANCH": "main", **parameters}
    )


def ends(process: psutil.Process) -> bool:
    return process in psutil.wait_procs([process], timeout=30)[0]


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.02)  # a file of another program: nothing to wait on


def test_worker_in_the_background_builds_until_sigterm_and_takes_its_pid_file_along(host: Host, zuul: Zuul) -> None:
    started = host.call("-c", host.configure(), "-b", "-p", host.pidfile)

    worker = host.process()
    assert (started.returncode, started.stderr) == (0, "")
    assert started.stdout == f"ready: worker-in-background, process {worker.pid}, log {host.log}\n"
    assert launch(zuul).wait() == "SUCCESS"

    worker.terminate()

    assert ends(worker)
    assert not host.pidfile.exists()
    assert "SIGTERM: no new builds" in host.log.read_text()


def test_signals_reach_the_worker_in_the_background_as_they_do_any_other(host: Host, zuul: Zuul) -> None:
    host.call("--background", "--pidfile", host.pidfile, "--config", host.configure())
    worker = host.process()
    going = host.directory / "go"
    build = launch(zuul, ZUUL_WAIT=str(going))
    wait_until(lambda: list(host.directory.glob("state/work/*/source/started")), "the script has begun")

    worker.terminate()
    wait_until(lambda: "no new builds" in host.log.read_text(), "the worker drains")
    assert not build.ended
    assert host.pidfile.exists()
    going.touch()

    assert build.wait() == "SUCCESS"
    assert ends(worker)


def test_second_sigterm_hands_the_build_of_the_worker_in_the_background_back(host: Host, zuul: Zuul) -> None:
    host.call("-b", "-p", host.pidfile, "-c", host.configure())
    worker = host.process()
    build = launch(zuul, ZUUL_WAIT="/never")
    wait_until(lambda: list(host.directory.glob("state/work/*/source/started")), "the script has begun")

    worker.terminate()
    wait_until(lambda: "no new builds" in host.log.read_text(), "the worker drains")
    worker.terminate()

    assert build.wait() is None
    assert ends(worker)
    assert not host.pidfile.exists()


def test_worker_in_the_background_has_nothing_of_the_terminal_and_keeps_its_directory(
    host: Host, zuul: Zuul, tmp_path: Path
) -> None:
    config = host.configure()
    with (tmp_path / "lent").open("w") as lent:
        before = os.umask(0o001)
        try:
            host.call("-c", config.name, "-b", "-p", "run/worker.pid", pass_fds=[lent.fileno()])
        finally:
            os.umask(before)

    worker = host.process()
    descriptors = {int(path.name): path.readlink() for path in Path(f"/proc/{worker.pid}/fd").iterdir()}
    assert [descriptors[number] for number in range(3)] == [Path(os.devnull), host.log, host.log]
    assert tmp_path / "lent" not in descriptors.values()
    assert os.getsid(worker.pid) == worker.pid
    assert worker.ppid() != os.getpid()
    assert worker.cwd() == str(host.directory)
    assert "Umask:\t0023" in Path(f"/proc/{worker.pid}/status").read_text()
    assert host.pidfile.stat().st_mode & 0o777 == 0o644
    assert worker.terminal() is None
    worker.terminate()
    assert ends(worker)


def test_relative_paths_mean_the_same_in_the_background(host: Host, zuul: Zuul) -> None:
    config = host.configure(log={"file": "own.log", "level": "debug"})
    content = config.read_text().replace(str(host.directory / "results"), "results")
    config.write_text(content)

    started = host.call("-c", config.name, "-b", "-p", "run/worker.pid")

    worker = host.process()
    assert f"log {host.directory / 'own.log'}" in started.stdout
    assert launch(zuul).wait() == "SUCCESS"
    assert list((host.directory / "results").rglob("result.json"))
    assert not host.log.exists()
    worker.terminate()
    assert ends(worker)
    assert "no new builds" in (host.directory / "own.log").read_text()


def test_second_worker_with_the_same_pid_file_is_refused_and_the_first_works_on(host: Host, zuul: Zuul) -> None:
    host.call("-c", host.configure(), "-b", "-p", host.pidfile)
    worker = host.process()
    second = host.configure("second.yaml", directories={"state": "second"})

    refused = [host.call("-c", second, *background, "-p", host.pidfile) for background in (["-b"], [])]

    for answer in refused:
        assert answer.returncode == 2
        assert f"{host.pidfile}: process {worker.pid} lives" in answer.stderr
        assert "ready" not in answer.stdout
    assert host.process() == worker
    assert launch(zuul).wait() == "SUCCESS"
    worker.terminate()
    assert ends(worker)


def test_pid_file_of_a_worker_that_was_killed_is_taken_over(host: Host, zuul: Zuul) -> None:
    host.call("-c", host.configure(), "-b", "-p", host.pidfile)
    killed = host.process()
    killed.kill()
    assert ends(killed)
    assert host.pidfile.exists()

    assert host.call("-c", host.configure(), "-b", "-p", host.pidfile).returncode == 0

    worker = host.process()
    assert worker != killed
    worker.terminate()
    assert ends(worker)


def test_worker_in_the_foreground_has_a_pid_file_too(host: Host) -> None:
    argv = [sys.executable, "-m", "thcore.cli.main", "serve", "-p", str(host.pidfile), "-c", str(host.configure())]
    with subprocess.Popen(argv, cwd=host.directory, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready: worker-in-background\n"
        assert host.pidfile.read_text() == f"{worker.pid}\n"

        worker.terminate()

        assert worker.wait(30) == 0
    assert not host.pidfile.exists()


@pytest.mark.parametrize(
    ("configuration", "code", "said"),
    [
        ({"slts": 3}, 78, "thcore.yaml: slts: unknown key; did you mean slots?"),
        ({"jobs": [{"name": "a", "plugins": {"shel": {}}}]}, 78, "did you mean shell"),
        ({"log": {"file": "missing/own.log"}}, 78, "missing/own.log: No such file or directory"),
        ({"directories": {"state": "/proc/state"}}, 2, "cannot use the state directory /proc/state"),
        ({"directories": {"state": "/proc/state"}, "log": {"file": "l"}}, 2, "cannot use the state directory"),
    ],
    ids=["key", "plugin", "log", "state", "state later"],
)
def test_what_keeps_a_worker_from_the_background_is_said_at_the_terminal(
    host: Host, configuration: dict[str, Any], code: int, said: str
) -> None:
    answer = host.call("-c", host.configure(**configuration), "-b", "-p", host.pidfile)

    assert answer.returncode == code
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stdout == ""
    assert not host.pidfile.exists()
    assert host.processes() == []


def test_state_directory_of_another_worker_is_an_error_at_the_terminal(host: Host) -> None:
    host.call("-c", host.configure(), "-b", "-p", host.pidfile)

    answer = host.call("-c", host.configure(), "-b", "-p", "other.pid")

    worker = host.process()
    assert answer.returncode == 2
    assert f"another worker (process {worker.pid})" in answer.stderr
    assert f"its log is {host.log}" in answer.stderr
    assert not (host.directory / "other.pid").exists()
    worker.terminate()
    assert ends(worker)


def test_signal_that_ends_the_worker_before_it_is_ready_is_named(host: Host, tmp_path: Path) -> None:
    Site(tmp_path / "site").plugin("deadly", DEADLY)
    config = host.configure(jobs=[{"name": "a", "plugins": {"deadly": {}}}])

    answer = host.call("-c", config, "-b", environment={"PYTHONPATH": str(tmp_path / "site")})

    assert answer.returncode == 2
    assert f"ended by SIGKILL before it was ready; see its log {host.log}" in answer.stderr


def test_server_that_does_not_answer_is_a_warning_at_the_terminal(host: Host) -> None:
    server = f"127.0.0.1:{free_port()}"

    answer = host.call("-c", host.configure(gearman={"servers": [server]}), "-b", "-p", host.pidfile)

    assert answer.returncode == 0
    assert f"WARNING: no Gearman server answers yet at {server}" in answer.stderr
    worker = host.process()
    worker.terminate()
    assert ends(worker)


def test_interrupting_the_command_ends_the_worker_that_is_not_ready_yet(host: Host) -> None:
    config = host.configure(gearman={"servers": [f"127.0.0.1:{free_port()}"]})
    argv = [sys.executable, "-m", "thcore.cli.main", "serve", "-b", "-p", str(host.pidfile), "-c", str(config)]
    with subprocess.Popen(argv, cwd=host.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        wait_until(host.pidfile.exists, "the worker is starting")

        command.send_signal(signal.SIGINT)
        command.communicate(timeout=30)

    assert command.returncode == 3
    assert host.processes() == []


def test_turbo_hipster_serves_its_own_configuration_and_stops_after_a_job_with_shutdown_th(
    host: Host, zuul: Zuul
) -> None:
    name, port = host.server.split(":")
    config = host.directory / "config.json"
    content = {
        "zuul_server": {
            "git_origin": str(host.directory / "origin"),
            "gearman_host": name,
            "gearman_port": int(port),
        },
        "debug_log": str(host.directory / "debug.log"),
        "jobs_working_dir": str(host.directory / "jobs"),
        "git_working_dir": str(host.directory / "git"),
        "publish_logs": {"type": "local", "path": str(host.directory / "results"), "prepend_url": "http://logs/"},
        "plugins": [
            {"name": "shell_script", "function": "build:stay", "shell_script": "sh go.sh"},
            {"name": "shell_script", "function": "build:leave", "shell_script": "sh go.sh", "shutdown-th": True},
        ],
    }
    config.write_text(json.dumps(content))
    script = Path(sys.executable).with_name("turbo-hipster")

    started = host.call("-c", config, "-b", "-p", host.pidfile, command=[str(script)])

    assert started.returncode == 0, started.stderr
    worker = host.process()
    assert launch(zuul, "stay").wait() == "SUCCESS"
    assert worker.is_running()
    assert launch(zuul, "leave").wait() == "SUCCESS"
    assert ends(worker)
    assert not host.pidfile.exists()
    assert "shell_script: the script is given no arguments of ours" in (host.directory / "debug.log").read_text()
