"""Work of a plugin that is killed in its midst, as a build's process may be at any moment.

The moments are no times but deeds: a process of its own does the work and is killed, without warning, just before it
opens its n-th file for writing, makes a directory, renames, removes, connects, or starts a program.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from attrs import evolve

from thcore.process import group
from thcore.testing.build import ProvidedBuild
from thcore.testing.contract.bench import Bench, processes

_DEEDS = frozenset(
    {
        "os.chmod",
        "os.link",
        "os.mkdir",
        "os.posix_spawn",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.symlink",
        "os.truncate",
        "socket.connect",
        "sqlite3.connect",
        "subprocess.Popen",
    }
)
"""Events of ``sys.addaudithook`` after which something outside the process is not what it was."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

Work = Callable[[Bench, ProvidedBuild], object]
"""What is done in a build, by the plugin."""


def killed(bench: Bench, work: Work, moments: int, *, build_id: str = "k") -> Iterator[tuple[Bench, str]]:
    """Do the work as often as there are ``moments``, or deeds if there are fewer, and kill it at another one each time;
    the last time before its last deed.

    Each time on a ground of its own, on which nothing is kept yet; answers it together with the build's id, once all
    that the build had started is ended, as the worker does it. Its first attempt is the one that was killed. Raises
    AssertionError when the work fails where nobody kills it.
    """
    whole = evolve(bench, directory=bench.directory / "whole")
    deeds = _alone(whole, f"{build_id}0", work, None)
    for number in sorted({max(1, round(deeds * part / moments)) for part in range(1, moments + 1)}):
        ground = evolve(bench, directory=bench.directory / f"killed-{number}")
        before = set(processes(ground.directory))  # servers of the test, too
        _alone(ground, f"{build_id}{number}", work, number)
        group.end_these(set(processes(ground.directory)) - before, 0.0)
        yield ground, f"{build_id}{number}"


def _alone(bench: Bench, build_id: str, work: Work, deadly: int | None) -> int:
    """Do the work in a process of its own, which is killed before its ``deadly``-th deed; answers how many it did."""
    told, tell = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads are not needed there
        child = os.fork()
    if child == 0:
        _child(bench, build_id, work, deadly, tell)
    os.close(tell)
    with os.fdopen(told) as stream:
        answer = stream.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL and deadly is not None:
        return deadly
    if status != 0:
        raise AssertionError(f"the work does not even succeed when nobody kills it:\n{answer}")
    return int(answer)


def _child(bench: Bench, build_id: str, work: Work, deadly: int | None, tell: int) -> None:
    """What the process does. Nothing of the test goes on in it."""
    deeds = 0

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal deeds
        if event in _DEEDS or (event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING):
            deeds += 1
            if deeds == deadly:
                os.kill(os.getpid(), signal.SIGKILL)

    status = 1
    try:
        os.setsid()
        with bench.build(build_id, log_path=log_path(build_id)) as build:
            sys.addaudithook(count)
            work(bench, build)
        os.write(tell, str(deeds).encode())
        status = 0
    except BaseException:  # noqa: BLE001 - it ends here, whatever it is
        os.write(tell, traceback.format_exc().encode("utf-8", "replace"))
    finally:
        os._exit(status)


def log_path(build_id: str) -> str:
    """Where the evidence of a killed build goes: to a place of its own."""
    return f"45/12345/2/check/job/{build_id}"
