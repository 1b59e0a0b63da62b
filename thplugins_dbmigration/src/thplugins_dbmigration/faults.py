"""Telling a machine's fault from a migration's: a full disk fails any migration, and so does who kills it.

The words of a step that has failed are its own, or may be: a migration can raise ``OSError: [Errno 28] No space left on
device``, or print it. So nobody is excused by words. **Evidence** is what the gate, or the server, has seen itself:

- the server's own error log, from where the step began: a server that the system has refused something says so there,
  by the system's number or with an SQLSTATE that is not the migration's. It knows of a quota, or of a small file system
  that only the server has. Of the disk it is evidence by itself: who is told ``server has gone away`` is told nothing
  of a disk. Of memory and open files it is so beside words only: a migration may use up what there is of them;
- the room on the file systems of the data directory, the server's temporary files, the workspace and the system's
  temporary directory, looked at every 50 ms while a step of the change runs, and as soon as any step has failed; and
  whether the system gives the worker a little there, which a quota of its own forbids. It is evidence beside words
  only: a disk may be nearly full for days.

Its limits: a file system counts as full with less than 64 MiB free (of a small one, 10 %), so that words are believed
on a disk that is nearly full anyway. One that was full for less than 50 ms, with a file in the place of a server
(SQLite) or with a log that the full disk did not take either, may be missed; so may a quota of an account that the
worker is not. Of open files, memory and errors of the disk there is only the server's log: what a program of the
project's own is refused of these is held against the change. That the program was killed the gate knows itself, but not
by whom.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from attrs import Factory, frozen

from thcore.errors import InfrastructureError
from thplugins_dbmigration.distress import Distress
from thplugins_dbmigration.offences.confidential import without_values

# As a server's answer begins in the words of drivers, of the mysql client and of observers.
_ANSWER = r"(?:\w(?:Error|Exception)\)?:?|^ERROR|\]:)\s*\(?"
_SIGNS = {
    Distress.FULL: rf"No space left on device|\[53100\]|ERROR:\s+53100:|\bDiskFull\b|wrote only \d+ of \d+ bytes|"
    rf"database or disk is full|{_ANSWER}(1021|1114|3675)[,)]|{_ANSWER}(1021|1114|3675) \(\w{{5}}\)|err(code|no): 28\b",
    Distress.MEMORY: rf"{_ANSWER}(1037|1041)[,)]|{_ANSWER}(1037|1041) \(\w{{5}}\)",
    Distress.QUOTA: r"Disk quota exceeded|err(code|no): 122\b",
    Distress.BROKEN: r"Input/output error|err(code|no): 5\b",
    Distress.FILES: r"Too many open files|err(code|no): 24\b",
}
_KILLED = re.compile(r"the migration program (ended|failed) .{1,20}: killed by SIG(KILL|TERM)\b(?!.* \(exit status)")
"""How the gate itself tells it, in the first line. Where that is the project's last words, its status follows."""
_OTHERS = r"^.*(\bERROR 1644 |\(1644, |\bRaiseException\b|\b(Assertion|Integrity|Key|Runtime|Type|Value)Error\b).*$"
"""Answers about rows, and what a migration says itself."""
_SOURCE = r"^([ \t]*File \"[^\n]*\", line \d+[^\n]*\n)[ \t]+[^\n]+$"
"""A place in a traceback, and the line that is there."""
_ROOM = (Distress.FULL, Distress.QUOTA)
"""What fails alike, and is told as either."""
_BY_ITSELF = (*_ROOM, Distress.BROKEN)
"""What a server's log is believed without any words of the step."""


@frozen
class Evidence:
    """What is known of the machine when a step has failed, besides its words: what the server has ``told`` in its own
    log, and what the gate has ``seen``, each in one line."""

    told: Mapping[Distress, str] = Factory(dict)
    seen: Mapping[Distress, str] = Factory(dict)

    def beside(self, error: InfrastructureError) -> InfrastructureError:
        """What broke meanwhile, with what was wrong with the machine then."""
        found = {**self.seen, **self.told}
        if not found:
            return error
        first, *rest = str(error).splitlines() or [error.code]
        why = ", ".join(distress.value for distress in found)
        return InfrastructureError("\n".join((f"{first}; {why}", *found.values(), *rest)), code=error.code)


NOTHING = Evidence()
"""Nothing is known."""


@frozen
class Fault:
    """What is wrong with the machine, and how that is known."""

    reason: str
    shown: tuple[str, ...] = ()

    def error(self, *lines: str) -> InfrastructureError:
        """It, where no step can be named (``machine-fault``); ``lines`` are what else was said."""
        told = f"The migrations stopped for a reason that is not their own: {self.reason}"
        return InfrastructureError("\n".join((told, *self.shown, *lines)), code="machine-fault")


def machine_fault(lines: Iterable[str], evidence: Evidence) -> Fault | None:
    """What is wrong with the machine, when ``evidence`` bears out the words of a failed step, or says it by itself."""
    said = list(lines)
    if said and _KILLED.match(said[0]):
        return Fault(Distress.KILLED.value)
    worded = words(said)
    alike = _ROOM if worded in _ROOM else (worded,)
    told = next((distress for distress in (*alike, *_BY_ITSELF) if distress in evidence.told), None)
    if told is not None:
        return Fault(told.value, (f"The server's own log: {evidence.told[told]}",))
    seen = next((distress for distress in alike if distress in evidence.seen), None)
    return Fault(seen.value, (evidence.seen[seen],)) if seen is not None else None


def unsupported(lines: Iterable[str]) -> tuple[str, ...]:
    """What to tell of words that nothing bears out."""
    distress = words(lines)
    if distress is None:
        return ()
    return (f"It speaks of a machine that failed ({distress.value}); nothing that the gate or the server saw says so.",)


def words(lines: Iterable[str]) -> Distress | None:
    """What is wrong with the machine by the words of a failed step. Values that servers quote, statements, lines of the
    project's source and what it raises itself are not among them."""
    text = re.sub(_SOURCE, r"\1", "\n".join(without_values(lines)), flags=re.MULTILINE)
    text = re.sub(_OTHERS, "", text, flags=re.MULTILINE)
    signs = _SIGNS.items()
    return next((reason for reason, sign in signs if re.search(sign, text, re.IGNORECASE | re.MULTILINE)), None)
