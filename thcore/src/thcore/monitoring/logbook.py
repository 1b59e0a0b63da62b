"""The worker's own log: one line per event, as text for people or as JSON for programs.

Whatever a line holds, it stays one line, shows no secret, and nothing in it steers a terminal. A log that cannot be
written never stops the worker.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import logging
import os
import sys
from collections.abc import Iterable, Mapping
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

from thcore.config import LogConfig
from thcore.errors import ConfigError
from thcore.process.redaction import Redaction

_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7))
"""The least level of each syslog priority, as the journal takes it from the front of a line."""


def start(config: LogConfig, secrets: Iterable[str] = ()) -> None:
    """Have everything that is logged or warned of in this process written as ``config`` says, ``secrets`` blanked out.

    Whatever was set up before is replaced. Several processes may write to one file. Raises ConfigError when the file
    cannot be written.
    """
    journal = config.file is None and _is_journal(sys.stderr)
    redaction = Redaction(secrets)
    handler = _handler(config)
    if config.format == "json":
        handler.setFormatter(JsonFormatter(redaction))
    else:
        handler.setFormatter(TextFormatter(redaction, journal=journal))
    logging.basicConfig(level=config.level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)  # Python would print them as lines of their own


def _handler(config: LogConfig) -> logging.Handler:
    if config.file is None:
        return _StandardError()
    try:
        return LogFile(config.file, config.max_size, config.keep)
    except OSError as error:
        raise ConfigError(f"log.file: cannot write {config.file}: {error.strerror}") from error


class _OneLine(logging.Formatter):
    """What both formats have in common: the parts of a line, without secrets."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self._redaction = redaction

    def _message(self, record: logging.LogRecord) -> str:
        try:
            message = record.getMessage()
        except Exception as error:  # noqa: BLE001 - a mistake in a call, or a value that cannot be shown
            message = f"{record.msg} (its arguments do not fit: {error!r})"
        return self._clean(message)

    def _traceback(self, record: logging.LogRecord) -> str:
        told = []
        if record.exc_info and record.exc_info[0] is not None:
            told.append(self.formatException(record.exc_info))
        if record.stack_info:
            told.append(record.stack_info)
        return self._clean("\n".join(told))

    def _facts(self, record: logging.LogRecord) -> dict[str, object]:
        facts: Mapping[str, object] = getattr(record, "facts", {})
        return {
            name: value if isinstance(value, bool | int | float) else self._clean(str(value))
            for name, value in facts.items()
        }

    def _clean(self, text: str) -> str:
        return self._redaction.apply(text.encode("utf-8", "backslashreplace")).decode()


class TextFormatter(_OneLine):
    """``2026-11-26T07:00:45.123Z INFO build_ended: SUCCESS build=… attempt=1``.

    A line break and everything else that does not print is written out, as ``\\n``. ``journal``: systemd's journal
    knows the time, and takes the priority from the front of the line.
    """

    def __init__(self, redaction: Redaction, *, journal: bool = False) -> None:
        super().__init__(redaction)
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        front = f"<{_priority(record.levelno)}>" if self._journal else f"{_moment(record)} {record.levelname} "
        facts = "".join(f" {name}={_word(str(value))}" for name, value in self._facts(record).items())
        traceback = self._traceback(record)
        told = self._message(record) + (f"\n{traceback}" if traceback else "")
        return f"{front}{_printable(getattr(record, 'action', record.name))}: {_printable(told)}{facts}"


class JsonFormatter(_OneLine):
    """One object per line: ``time``, ``severity``, ``action``, the facts of the event, ``message``, ``logger``, and
    ``traceback`` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {"time": _moment(record), "severity": record.levelname.lower()}
        if action := getattr(record, "action", None):
            line["action"] = action
        line |= {"message": self._message(record), "logger": record.name}
        if traceback := self._traceback(record):
            line["traceback"] = traceback
        facts = self._facts(record)
        return json.dumps(line | {name: value for name, value in facts.items() if name not in line})


class _Quiet(logging.Handler):
    """A handler that tells standard error when it cannot write, and when it can again. Lines are lost meanwhile."""

    _lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        lost = self._lost
        super().emit(record)
        if lost and lost == self._lost:
            self._lost = 0
            _say(f"the log can be written again; lines lost: {lost}")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's own names
        self._lost += 1
        if self._lost == 1:
            _say(f"the log cannot be written: {sys.exc_info()[1]}; lines are lost until it can")


class _StandardError(_Quiet, logging.StreamHandler[TextIO]):
    """Standard error, which may be closed or full."""


class LogFile(_Quiet, RotatingFileHandler):
    """A file of at most ``max_size`` bytes, with ``keep`` older ones beside it: ``worker.log.1`` is the latest of them.

    When somebody moves the file away, a new one is begun. So several processes may write to the same file, whichever of
    them begins it anew. Where nothing can be renamed, the file grows.
    """

    def __init__(self, path: Path, max_size: int, keep: int) -> None:
        super().__init__(path, maxBytes=max_size, backupCount=keep, encoding="utf-8")
        self._stuck = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._follow()
        except OSError:
            self.handleError(record)
        else:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        super().handleError(record)
        self._drop()  # and with it what is left of the line in memory: it is counted as lost

    def doRollover(self) -> None:  # noqa: N802 - logging's own name
        """Begin a new file, unless another process has just done so."""
        with open(self.baseFilename, "ab") as file:  # noqa: PTH123 - as logging names it
            fcntl.flock(file, fcntl.LOCK_EX)
            self._follow()
            if self.stream is None:
                return
            try:
                super().doRollover()
            except OSError as error:
                if not self._stuck:
                    _say(f"the log cannot be begun anew: {error}; it grows")
                self._stuck = True

    def _open(self) -> TextIOWrapper:
        stream = super()._open()
        if self._lost and not _ends_with_a_line(self.baseFilename):
            stream.write("\n")
        return stream

    def _follow(self) -> None:
        """Let go of a file that is no longer the one of that name."""
        if self.stream is None:
            return
        here = os.fstat(self.stream.fileno())
        try:
            there = os.stat(self.baseFilename)  # noqa: PTH116 - as logging names it
        except FileNotFoundError:
            self._drop()
            return
        if (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
            self._drop()

    def _drop(self) -> None:
        """The next line opens the file again."""
        stream, self.stream = self.stream, None
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _ends_with_a_line(path: str) -> bool:
    """Whether the next line can follow at once: a full disk may have cut the last one short."""
    with contextlib.suppress(OSError), open(path, "rb") as file:  # noqa: PTH123 - as logging names it
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
    return True


def _say(text: str) -> None:
    """Tell whoever reads standard error; there may be nobody."""
    try:
        sys.stderr.write(f"thcore: {text}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def _is_journal(stream: TextIO) -> bool:
    """Whether the stream ends in systemd's journal: JOURNAL_STREAM names its device and inode."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _priority(level: int) -> int:
    return next((priority for least, priority in _PRIORITIES if level >= least), 7)


def _moment(record: logging.LogRecord) -> str:
    at = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _word(text: str) -> str:
    """A value that ends where a reader expects it to."""
    plain = text.isprintable() and not any(char in ' "=' for char in text)
    return text if text and plain else _printable(json.dumps(text, ensure_ascii=False))
