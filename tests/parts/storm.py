"""Strikes builds at the stages that a design says, and counts."""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Mapping

from thcore.testing.gearmand import Gearmand

from parts.check_queue import number_of
from parts.checkpoint import Entry
from parts.faults import Fault, Strike
from parts.station import Station

_PATIENCE_S = 2.0
"""How long a strike waits for what it wants to see, at the most."""


class Storm:
    """``meet`` is called for every entry of a build into a stage (see ``parts.checkpoint.Checkpoint``)."""

    def __init__(self, gearmand: Gearmand, stations: Mapping[str, Station]) -> None:
        self.entries: list[Entry] = []
        self.struck: collections.Counter[Strike] = collections.Counter()
        self.violations: list[str] = []
        self._gearmand = gearmand
        self._stations = stations
        self._due: dict[int, Strike] = {}
        self._held: dict[tuple[str, int, str], Strike] = {}
        self._changed = threading.Condition()
        self._running = 0
        self._server_lock = threading.Lock()
        self._wire_locks = {name: threading.Lock() for name in stations}
        self._acts: Mapping[Fault, Callable[[Entry], bool]] = {
            Fault.CHILD_KILLED: lambda entry: _signal(entry.child, signal.SIGKILL),
            Fault.CHILD_CRASHED: lambda entry: _signal(entry.child, signal.SIGSEGV),
            Fault.PROGRAM_KILLED: lambda entry: _signal(entry.program, signal.SIGKILL),
            Fault.NURSERY_KILLED: self._kill_nursery,
            Fault.WORKER_KILLED: self._kill_worker,
            Fault.WORKER_STOPPED: self._stop_worker,
            Fault.GEARMAND_KILLED: self._restart_gearmand,
            Fault.LINK_RESET: self._reset_link,
            Fault.LINK_SILENT: self._silence_link,
            Fault.LINK_HALF_OPEN: self._half_open_link,
        }

    def plan(self, strikes: Mapping[int, Strike]) -> None:
        """What strikes which submission, the first time that it comes to the stage."""
        with self._changed:
            self._due.update(strikes)

    def missed(self) -> list[Strike]:
        """What was planned and has not struck: its builds have ended without coming there. They are planned no more."""
        with self._changed:
            missed = [*self._due.values(), *self._held.values()]
            self._due.clear()
            self._held.clear()
        return missed

    def meet(self, entry: Entry) -> str | None:
        """Decide about a build that has come to a stage."""
        key = (entry.build, entry.attempt, entry.stage)
        with self._changed:
            if entry.program is not None:
                strike = self._held.pop(key, None)
            else:
                self.entries.append(entry)
                self._changed.notify_all()
                strike = self._due.get(number_of(entry.build))
                if strike is None or strike.stage != entry.stage:
                    return "go"
                del self._due[number_of(entry.build)]
                if strike.stage == "execute" or strike.fault is Fault.PROGRAM_KILLED:
                    self._held[key] = strike
                    return "program"
            if strike is None:
                return "go"
            self._running += 1
        threading.Thread(target=self._strike, args=(strike, entry), name=f"{strike}", daemon=True).start()
        return None

    def wait(self, timeout: float = 60) -> None:
        """Wait until every strike is done with."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._running, timeout):
                self.violations.append(f"{self._running} strikes have not ended")

    def _strike(self, strike: Strike, entry: Entry) -> None:
        hit = False
        try:
            hit = self._acts[strike.fault](entry)
        except Exception as error:  # noqa: BLE001 - told at the end
            self.violations.append(f"{strike}: {error!r}")
        finally:
            entry.release()
            with self._changed:
                if hit:
                    self.struck[strike] += 1
                else:  # it was hit by something else first
                    self._due[number_of(entry.build)] = strike
                self._running -= 1
                self._changed.notify_all()

    def _kill_nursery(self, entry: Entry) -> bool:
        return _signal(entry.nursery or self._stations[entry.worker].nursery(), signal.SIGKILL)

    def _kill_worker(self, entry: Entry) -> bool:
        return self._stations[entry.worker].kill()

    def _stop_worker(self, entry: Entry) -> bool:
        return self._stations[entry.worker].terminate()

    def _restart_gearmand(self, _entry: Entry) -> bool:
        with self._server_lock:
            self._gearmand.restart()
        return True

    def _reset_link(self, entry: Entry) -> bool:
        with self._wire_locks[entry.worker]:
            self._stations[entry.worker].wire.cut()
        return True

    def _silence_link(self, entry: Entry) -> bool:
        """The build goes on and is answered into the silence; only then is the link back."""
        wire = self._stations[entry.worker].wire
        with self._wire_locks[entry.worker]:
            wire.hang()
            entry.release()
            if entry.stage == "cleanup":
                self._wait_for(lambda other: other.worker == entry.worker and other.at > entry.at)
            else:
                self._wait_for(lambda other: _same(other, entry) and other.stage == "cleanup")
            wire.heal()
        return True

    def _half_open_link(self, entry: Entry) -> bool:
        """The server has given the build to another worker, which answers it; this one has to notice by itself."""
        wire = self._stations[entry.worker].wire
        with self._wire_locks[entry.worker]:
            wire.half_open()
            self._wait_for(lambda other: other.build == entry.build and other.worker != entry.worker)
            self._wait_for(
                lambda other: other.build == entry.build and other.stage == "cleanup" and other.at > entry.at
            )
            entry.release()
        return True

    def _wait_for(self, wanted: Callable[[Entry], bool]) -> bool:
        """Wait until such an entry has come, but not for ever: it may have been struck itself."""
        with self._changed:
            return self._changed.wait_for(lambda: any(map(wanted, reversed(self.entries))), _PATIENCE_S)


def _same(one: Entry, other: Entry) -> bool:
    return (one.build, one.attempt, one.worker) == (other.build, other.attempt, other.worker)


def _signal(pid: int | None, number: signal.Signals) -> bool:
    with contextlib.suppress(ProcessLookupError):
        if pid is not None:
            os.kill(pid, number)
            return True
    return False
