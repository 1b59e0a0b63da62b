"""Telling every call of a hook, for whoever looks for what a plugin does: ``THCORE_TRACE_HOOKS=1``.

Arguments are told by name and answers by type only: their values may be secret, and are in the evidence.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from thcore.errors import PluginError

VARIABLE = "THCORE_TRACE_HOOKS"
"""The environment variable that switches it on: anything but nothing and 0."""

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)  # who asks for it wants to see it, whatever log.level says


def wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether calls are to be told."""
    return environment.get(VARIABLE, "") not in {"", "0"}


class Call:
    """One call of a hook, while it lasts."""

    def __init__(self) -> None:
        self.answer: object = None


@contextmanager
def told(plugin: str, hook: str, arguments: Mapping[str, object]) -> Iterator[Call]:
    """Tell the begin and the end of a call. Whoever makes it notes its answer."""
    call = Call()
    _tell(f"{plugin} {hook}({', '.join(arguments)}) begins")
    begin = time.perf_counter()
    try:
        yield call
    except BaseException as error:
        raised = (isinstance(error, PluginError) and error.__cause__) or error  # what the plugin itself raised
        _tell(f"{plugin} {hook} raised {type(raised).__name__} after {_since(begin)}")
        raise
    _tell(f"{plugin} {hook} answered {_kind(call.answer)} after {_since(begin)}")


def _tell(text: str) -> None:
    if logging.root.handlers:
        log.info("%s", text)
    else:  # a command, which has no log
        print(f"hook: {text}", file=sys.stderr, flush=True)  # noqa: T201


def _since(begin: float) -> str:
    return f"{(time.perf_counter() - begin) * 1000:.1f} ms"


def _kind(answer: object) -> str:
    if answer is None:
        return "None"
    if isinstance(answer, type):
        return f"the class {answer.__name__}"
    return f"{len(answer)} in a {type(answer).__name__}" if isinstance(answer, tuple | list) else type(answer).__name__
