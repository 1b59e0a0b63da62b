"""Tracebacks as they would be without the observer."""

import os
import sys
from types import TracebackType
from typing import Iterable, List, Optional

LONGEST = 2000
"""Characters of a line."""
LINES = 200
"""Lines of a traceback."""
HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
OURS = 'File "{}'.format(HERE)
"""In each frame of a traceback that is in the observer."""


def bounded(text: Iterable[str]) -> List[str]:
    """The lines of a traceback, without our own and without SQLAlchemy's advertisement; of a long one the first, where
    the cause stands, and the last."""
    theirs = "".join(frame for frame in text if OURS not in frame)
    lines = [line[:LONGEST] for line in theirs.splitlines() if not line.startswith("(Background on this error at: ")]
    if len(lines) > LINES:
        lines[LINES // 2 : -LINES // 2] = ["..."]
    return lines


def without_ours(error: Optional[BaseException]) -> None:
    """Take our own frames out of an exception, and of those that led to it."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = theirs(error.__traceback__)
        error = error.__cause__ or error.__context__


def theirs(trace: Optional[TracebackType]) -> Optional[TracebackType]:
    """A traceback without our own frames, as far as Python lets change it: since 3.7."""
    while trace is not None and is_ours(trace):
        trace = trace.tb_next
    last = trace if sys.version_info >= (3, 7) else None
    while last is not None:
        while last.tb_next is not None and is_ours(last.tb_next):
            last.tb_next = last.tb_next.tb_next
        last = last.tb_next
    return trace


def is_ours(trace: TracebackType) -> bool:
    return os.path.abspath(trace.tb_frame.f_code.co_filename).startswith(HERE)
