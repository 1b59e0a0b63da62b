from __future__ import annotations

import ast
import fcntl
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from thcore.config import LogConfig
from thcore.errors import ConfigError
from thcore.model import Bytes
from thcore.monitoring import logbook
from thcore.monitoring.action import ACTIONS, BuildLogger, event

SOURCES = sorted((Path(__file__).parents[2] / "thcore" / "src").rglob("*.py"))
SECRET = "hunter2-of-gate"
SMALLEST = Bytes(65536)
"""The least that a log file may be allowed to grow to."""
log = logging.getLogger("thcore.worker.example")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """pytest's own handlers are put back; ours are closed."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []  # kept from being closed
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "worker.log"


def started(file: Path | None, form: str = "text", **more: object) -> LogConfig:
    config = evolve(LogConfig(file=file, format=form), **more)  # type: ignore[arg-type] # as a test writes it
    logbook.start(config, [SECRET])
    return config


def lines(file: Path) -> list[str]:
    return file.read_text("utf-8").split("\n")[:-1]


def test_a_line_of_text_has_time_severity_action_message_and_facts(file: Path) -> None:
    started(file)
    log.info("%s: all is well", "SUCCESS", extra=event("build_ended", build="b1", attempt=2, job="gate", stage=None))

    (line,) = lines(file)
    moment, severity, told = line.split(" ", 2)
    assert moment.endswith("Z")
    assert len(moment) == len("2026-11-26T07:00:45.123Z")
    assert severity == "INFO"
    assert told == "build_ended: SUCCESS: all is well build=b1 attempt=2 job=gate"


def test_a_line_of_json_has_the_same_by_name(file: Path) -> None:
    started(file, "json")
    log.warning("lost", extra=event("link_lost", server="zuul:4730", build="b1", stage="execute", attempt=1))

    (plain,) = [json.loads(line) for line in lines(file)]
    assert plain.pop("time").endswith("Z")
    assert plain == {
        "severity": "warning",
        "action": "link_lost",
        "message": "lost",
        "logger": "thcore.worker.example",
        "build": "b1",
        "attempt": 1,
        "stage": "execute",
        "server": "zuul:4730",
    }


def test_lines_of_code_without_an_action_are_named_by_their_logger(file: Path) -> None:
    started(file)
    logging.getLogger("gear").warning("odd")

    assert lines(file)[0].endswith(" WARNING gear: odd")


@pytest.mark.parametrize("form", ["text", "json"])
def test_whatever_is_told_stays_one_line_and_steers_no_terminal(file: Path, form: str) -> None:
    started(file, form)
    text = "first\nERROR worker_faulty: forged\r\x1b[2J\x9b2J\u2028\u202e\ud800\x00"
    log.info("%s", text, extra=event("build_refused", job=text))
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("failed")

    content = file.read_text("utf-8")
    assert len(content.splitlines()) == 2
    assert all(char.isprintable() for char in content.replace("\n", ""))


def test_a_forged_fact_is_quoted(file: Path) -> None:
    started(file)
    log.info("x", extra=event("build_refused", job='a build=b2 "c', build="b1"))

    assert lines(file)[0].endswith(' x build=b1 job="a build=b2 \\"c"')


def test_a_traceback_is_one_value_in_json_and_one_line_in_text(file: Path) -> None:
    for form in ("text", "json"):
        started(file, form)
        try:
            raise ValueError("odd")
        except ValueError:
            log.exception("failed", extra=event("worker_faulty"))

    text, plain = lines(file)
    assert r"worker_faulty: failed\nTraceback (most recent call last):\n" in text
    assert text.endswith(r"\nValueError: odd")
    assert json.loads(plain)["message"] == "failed"
    assert json.loads(plain)["traceback"].endswith("\nValueError: odd")


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_is_written_wherever_it_stands(file: Path, form: str) -> None:
    started(file, form)
    try:
        raise ValueError(f"at {SECRET}")
    except ValueError:
        log.exception("with %s", SECRET, extra=event("build_ended", build=SECRET, url=f"https://x:{SECRET}@y/"))

    content = file.read_text()
    assert SECRET not in content
    assert content.count("***") == 4


def test_a_call_with_wrong_arguments_is_written_all_the_same(file: Path) -> None:
    started(file)
    log.info("%d builds", "many")

    assert "%d builds (its arguments do not fit: TypeError(" in lines(file)[0]


def test_a_logger_of_a_build_names_it_in_every_line(file: Path) -> None:
    started(file, "json")
    told = BuildLogger(log, build="b1", attempt=2, job="gate")
    told.info("begun", extra=event("build_started"))
    told.info("ok", extra=event("stage_ended", stage="checkout"))
    told.warning("no action")

    plain = [json.loads(line) for line in lines(file)]
    assert [(line.get("action"), line["build"], line["attempt"], line["job"]) for line in plain] == [
        ("build_started", "b1", 2, "gate"),
        ("stage_ended", "b1", 2, "gate"),
        (None, "b1", 2, "gate"),
    ]
    assert plain[1]["stage"] == "checkout"


def test_less_than_the_configured_severity_is_not_written(file: Path) -> None:
    started(file, level="warning")
    log.info("quiet")
    log.warning("loud")

    assert [line.rpartition(" ")[2] for line in lines(file)] == ["loud"]


def test_the_file_grows_to_its_size_and_only_so_many_are_kept(file: Path) -> None:
    started(file, max_size=SMALLEST, keep=2)
    for number in range(200):
        log.info("%04d %s", number, "x" * 2000)

    found = sorted(path.name for path in file.parent.iterdir())
    assert found == ["worker.log", "worker.log.1", "worker.log.2"]
    assert all(path.stat().st_size <= SMALLEST for path in file.parent.iterdir())
    kept = [line.split()[3] for name in reversed(found) for line in lines(file.parent / name)]
    assert kept == [f"{number:04d}" for number in range(200 - len(kept), 200)]


def test_a_file_that_was_moved_away_is_begun_anew(file: Path) -> None:
    started(file)
    log.info("one")
    moved = file.rename(file.with_name("moved"))
    log.info("two")
    file.unlink()
    log.info("three")

    assert [line.rpartition(" ")[2] for line in (*lines(moved), *lines(file))] == ["one", "three"]


def test_a_full_disk_stops_nobody_and_is_told_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "worker.log"
    file.symlink_to("/dev/full")
    started(file)
    for _ in range(3):
        log.error("lost")
    file.unlink()
    log.error("kept")

    said = capsys.readouterr().err.splitlines()
    assert [line.partition(";")[0] for line in said] == [
        "thcore: the log cannot be written: [Errno 28] No space left on device",
        "thcore: the log can be written again",
    ]
    assert said[1].endswith("lines lost: 3")
    assert [line.rpartition(" ")[2] for line in lines(file)] == ["kept"]


@pytest.mark.system
def test_a_line_that_did_not_fit_spoils_no_other_one(file: Path) -> None:
    program = (
        "import logging, resource, sys\n"
        "from pathlib import Path\n"
        "from thcore.config import LogConfig\n"
        "from thcore.monitoring import logbook\n"
        "logbook.start(LogConfig(file=Path(sys.argv[1])))\n"
        "def room(size): resource.setrlimit(resource.RLIMIT_FSIZE, (size, -1))\n"
        "logging.error('first')\n"
        "room(100)\n"
        "for _ in range(3): logging.error('x' * 60)\n"
        "room(10000)\n"
        "logging.error('last')\n"
        "room(-1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(file)], stderr=subprocess.PIPE, text=True, timeout=60, check=True
    )

    assert done.stderr.endswith("lines lost: 3\n")
    first, cut, last = lines(file)
    assert (first.rpartition(" ")[2], last.rpartition(" ")[2]) == ("first", "last")
    assert len(f"{first}\n{cut}") == 100


def test_a_directory_that_has_gone_stops_nobody(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    place = tmp_path / "logs"
    place.mkdir()
    started(place / "worker.log")
    (place / "worker.log").unlink()
    place.rmdir()
    log.error("lost")

    assert "the log cannot be written: [Errno 2]" in capsys.readouterr().err


def test_where_nothing_can_be_renamed_the_file_grows(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    started(file, max_size=SMALLEST)
    monkeypatch.setattr(os, "rename", refuse)
    for number in range(20):
        log.info("%s %d", "x" * 10_000, number)

    assert [line.split()[-1] for line in lines(file)] == [str(number) for number in range(20)]
    assert capsys.readouterr().err.count("\n") == 1


def test_a_file_that_cannot_be_written_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"log\.file: cannot write .*: No such file or directory"):
        logbook.start(LogConfig(file=tmp_path / "missing" / "worker.log"))


def test_a_file_that_another_process_begins_anew_is_not_begun_anew_twice(file: Path) -> None:
    started(file, max_size=SMALLEST)
    log.info("x" * SMALLEST)
    pause = threading.Event()
    writer = threading.Thread(target=log.info, args=("one line too many",))
    with file.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        writer.start()
        while writer.is_alive() and not waits_for(other.fileno()):
            pause.wait(0.01)
        file.rename(file.with_name("worker.log.1"))
        file.touch()
    writer.join(10)

    assert sorted(path.name for path in file.parent.iterdir()) == ["worker.log", "worker.log.1"]
    assert lines(file)[0].endswith("one line too many")


def waits_for(descriptor: int) -> bool:
    """Whether somebody waits for the lock of a file."""
    inode = str(os.fstat(descriptor).st_ino)
    locks = Path("/proc/locks").read_text().splitlines()
    return any("->" in lock and lock.split()[6].rpartition(":")[2] == inode for lock in locks)


@pytest.mark.system
def test_several_processes_share_a_file_without_losing_a_line(file: Path) -> None:
    program = (
        "import logging, sys\n"
        "from pathlib import Path\n"
        "from thcore.config import LogConfig\n"
        "from thcore.monitoring import logbook\n"
        "logbook.start(LogConfig(file=Path(sys.argv[1]), max_size=65536, keep=50))\n"
        "for number in range(1500):\n"
        "    logging.getLogger('x').info('%s-%d %s', sys.argv[2], number, 'y' * 40)\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(file), name]) for name in "abc"]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]

    files = list(file.parent.iterdir())
    found = sorted(line.split()[3] for path in files for line in lines(path))
    assert len(files) > 3
    assert found == sorted(f"{name}-{number}" for name in "abc" for number in range(1500))


PROGRAM = (
    "import logging\n"
    "from thcore.config import LogConfig\n"
    "from thcore.monitoring import logbook\n"
    "from thcore.monitoring.action import event\n"
    "logbook.start(LogConfig())\n"
    "for level in (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):\n"
    "    logging.getLogger('x').log(level, 'told', extra=event('link_up'))\n"
)


@pytest.mark.system
@pytest.mark.parametrize("ours", [True, False])
def test_the_journal_gets_priorities_and_no_time(tmp_path: Path, ours: bool) -> None:
    with (tmp_path / "stderr").open("wb") as stderr:
        found = os.fstat(stderr.fileno())
        stream = f"{found.st_dev}:{found.st_ino}" if ours else "1:1"
        environ = {**os.environ, "JOURNAL_STREAM": stream}
        subprocess.run([sys.executable, "-c", PROGRAM], env=environ, stderr=stderr, check=True)

    told = (tmp_path / "stderr").read_text().splitlines()
    if ours:
        assert told == ["<6>link_up: told", "<4>link_up: told", "<3>link_up: told", "<3>link_up: told"]
    else:
        assert told[0].endswith("Z INFO link_up: told")


@pytest.mark.system
def test_a_standard_error_that_nobody_reads_stops_nobody() -> None:
    read, write = os.pipe()
    os.close(read)
    program = f"{PROGRAM}print('went on')\n"
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=write, text=True, check=False)
    os.close(write)

    assert done.stdout == "went on\n"


# The registry of actions.


def used(tree: ast.AST) -> Iterator[str]:
    """Every action that code names: ``event("…")``, and ``{"action": "…"}`` in rooms that cannot import it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "event":
            yield from texts(node.args[0] if node.args else None)
        elif isinstance(node, ast.keyword) and node.arg == "extra" and isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "action":
                    yield from texts(value)


def texts(node: ast.AST | None) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from texts(node.body)
        yield from texts(node.orelse)


def test_every_action_that_is_logged_is_explained() -> None:
    found = {action: path.name for path in SOURCES for action in used(ast.parse(path.read_text("utf-8")))}

    assert "web_opened" in found
    assert {action: place for action, place in found.items() if action not in ACTIONS} == {}


def test_the_search_for_actions_finds_the_ways_in_which_they_are_written() -> None:
    source = """
log.info("x", extra=event("a" if y else "b", build=1))
log.info("x", extra=action.event("c"))
log.info("x", extra={"action": "d", "facts": {}})
"""
    assert set(used(ast.parse(source))) == {"a", "b", "c", "d"}


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_is_a_name_and_its_meaning_a_sentence(action: str) -> None:
    assert action.replace("_", "").isalpha()
    assert action.islower()
    assert ACTIONS[action].endswith(".")
