"""What it costs to type ``thcore``: the processor's time to import the command, beside that of its two libraries."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

from attrs import frozen

ROUNDS = 15

LIBRARIES = "import click, rich.console, rich.table"
COMMAND = "import thcore.cli.main"
NOTHING = "pass"

RATIO_GOAL = 1.8
"""How many times the time of importing click and rich the command may take, without that of the interpreter."""
CPU_GOAL_S = 0.15
"""How much of the processor's time it may take, that of the interpreter included, on a machine whose interpreter starts
within ``INTERPRETER_S``; a slower one is given more in proportion."""
INTERPRETER_S = 0.02


@frozen
class Start:
    """Seconds of the processor, user and system, of one process each: the middle of all rounds."""

    nothing: float
    libraries: float
    command: float

    @property
    def ratio(self) -> float:
        """The command beside its libraries, without the interpreter."""
        return (self.command - self.nothing) / (self.libraries - self.nothing)


def cpu(program: str) -> float:
    process = subprocess.Popen([sys.executable, "-c", program], cwd="/")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


def measured() -> Start:
    """All three in turns, so that a busy moment is one of all."""
    cpu(COMMAND), cpu(LIBRARIES)  # the compiled files are there from now on
    rounds = [(cpu(NOTHING), cpu(LIBRARIES), cpu(COMMAND)) for _ in range(ROUNDS)]
    return Start(*(statistics.median(times) for times in zip(*rounds, strict=True)))


def test_the_command_is_imported_in_a_few_times_what_click_and_rich_take() -> None:
    start = measured()

    print(
        f"\nprocessor's time: nothing {start.nothing * 1000:.0f} ms, click and rich {start.libraries * 1000:.0f} ms, "
        f"thcore.cli.main {start.command * 1000:.0f} ms; beyond the interpreter {start.ratio:.2f} times click and rich"
    )
    assert start.ratio < RATIO_GOAL
    assert start.command < CPU_GOAL_S * max(1, start.nothing / INTERPRETER_S)
