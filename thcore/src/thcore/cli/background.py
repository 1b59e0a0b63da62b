"""Going into the background. The command at the terminal returns when the worker is ready, or says why it is not.

Not left to python-daemon: its command returns at once, whatever becomes of the daemon, and what it sets for the daemon
(working directory, no core files, ignored signals) would be set for the programs of every build as well.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click

from thcore.errors import CancelledError, ConfigError, InfrastructureError

_INPUT, _OUTPUT, _ERRORS = 0, 1, 2
_OTHERS_MAY_NOT_WRITE = 0o022


class Terminal:
    """What a process in the background still has of the terminal that it was started from, until it is ready."""

    def __init__(self, waiting: int) -> None:
        self._waiting = waiting
        self._errors = os.fdopen(os.dup(_ERRORS), "w", encoding="utf-8", errors="backslashreplace")
        self._warnings = logging.StreamHandler(self._errors)
        self._warnings.setLevel(logging.WARNING)
        self._warnings.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))

    def show_warnings(self) -> None:
        """Show there, too, what is logged as a warning or worse. To be called when the log has been set up."""
        logging.getLogger().addHandler(self._warnings)

    def ready(self, text: str) -> None:
        """Have the command at the terminal print ``text`` and end in success; from here on the terminal may close."""
        with contextlib.suppress(BrokenPipeError):  # somebody has ended the command meanwhile
            os.write(self._waiting, text.encode())
        self._let_go()

    def fail(self) -> None:
        """Let standard error be the terminal again, so that whoever waits there sees what is wrong."""
        if not self._errors.closed:
            os.dup2(self._errors.fileno(), _ERRORS)
            self._let_go()

    def _let_go(self) -> None:
        logging.getLogger().removeHandler(self._warnings)
        self._errors.close()
        os.close(self._waiting)


@contextmanager
def background(log: Path) -> Iterator[Terminal]:
    """Go on in a process of its own, in a session of its own, whose output goes to the file ``log``.

    The calling process does not come back: it waits for ``Terminal.ready`` or the end of the other one, and raises
    SystemExit with the exit code. The working directory stays, so that relative paths keep their meaning. An error
    before the worker is ready is shown at the terminal; ConfigError when the log cannot be written is the first.
    """
    read, write = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child:
        os.close(write)
        _wait(child, read, log)
    os.close(read)
    os.setsid()
    os.umask(os.umask(_OTHERS_MAY_NOT_WRITE) | _OTHERS_MAY_NOT_WRITE)
    terminal = Terminal(write)
    try:
        _redirect(log)
        yield terminal
    except BaseException:
        terminal.fail()
        raise


def _redirect(log: Path) -> None:
    """Standard output and error to the log; descriptors that came from whoever called us are closed."""
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise ConfigError(f"log.file: cannot write {log}: {error.strerror}") from error
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((_INPUT, nothing), (_OUTPUT, output), (_ERRORS, output)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, not paths
        # What Python itself has opened is never inheritable.
        with contextlib.suppress(OSError):
            if int(name) > _ERRORS and os.get_inheritable(int(name)):
                os.close(int(name))


def _wait(child: int, read: int, log: Path) -> NoReturn:
    """The terminal's side."""
    with os.fdopen(read) as news:
        try:
            text = news.read()
        except KeyboardInterrupt:
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)
            raise
    if text:
        click.echo(text)
        raise SystemExit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        name = signal.Signals(-code).name
        raise InfrastructureError(f"the worker was ended by {name} before it was ready; see its log {log}")
    if code == 0:
        raise CancelledError("the worker was told to stop before it was ready")
    click.echo(f"The worker is not running; its log is {log}", err=True)
    raise SystemExit(code)
