"""What builds are done with: one configuration, its plugins, and the nursery that has loaded them.

A reload makes a new generation. Builds that run stay with theirs.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from attrs import evolve, field, frozen

from thcore.config.schema import Config
from thcore.errors import InfrastructureError
from thcore.gearman import zuul
from thcore.model import WorkerInfo
from thcore.monitoring.action import event
from thcore.pipeline.lifecycle import Surroundings
from thcore.pipeline.plan import Plan, make_plans, used_plugins
from thcore.plugins import Plugins, candidates
from thcore.worker.nursery import Nurseries
from thcore.worker.waiting import tell_of_imports
from thcore.worker.ward import Start

log = logging.getLogger(__name__)

FIXED = ("gearman", "directories", "log", "web", "history")
"""Keys of the configuration that a running worker cannot change."""


class Users:
    """Counts who uses something, and says when it may go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._retired = False

    def enter(self) -> bool:
        """One more. False: it is retired already, and nobody may use it."""
        with self._lock:
            if not self._retired:
                self._count += 1
            return not self._retired

    def leave(self) -> bool:
        """One less. True: that was the last of a retired thing."""
        with self._lock:
            self._count -= 1
            return self._retired and self._count == 0

    def retire(self) -> bool:
        """No more will come. True: nobody uses it."""
        with self._lock:
            already, self._retired = self._retired, True
            return self._count == 0 and not already


@frozen(eq=False)
class Generation:
    """One configuration, ready to be worked with. Its nursery is open from ``open`` until the last user has gone."""

    config: Config
    plans: Mapping[str, Plan]
    surroundings: Surroundings
    nursery: Nurseries
    _users: Users = field(factory=Users)

    @classmethod
    def made(cls, config: Config, worker: WorkerInfo) -> Generation:
        """Load the plugins and make the plans. Raises ConfigError with all problems."""
        plugins = Plugins.installed(used_plugins(config))
        tell_of_imports(plugins)
        plans = make_plans(config, plugins)
        surroundings = Surroundings(plugins, worker, config.directories.state, config.secrets, config.kill_grace)
        return cls(config, plans, surroundings, Nurseries(Start(config, worker), stock=config.slots))

    def successor(self, config: Config) -> Generation:
        """The generation of a new configuration, its nursery open. What cannot change while a worker runs stays.

        Raises ConfigError or InfrastructureError; this generation is as good as before then.
        """
        changed = [key for key in FIXED if getattr(config, key) != getattr(self.config, key)]
        if changed:
            told = ", ".join(changed)
            log.warning("%s: a change takes a restart; the old values stay", told, extra=event("config_reloaded"))
        self._tell_of_replaced_plugins()
        fixed = {key: getattr(self.config, key) for key in FIXED}
        new = Generation.made(evolve(config, **fixed), self.surroundings.worker)
        try:
            new.nursery.open()
        except BaseException:
            new.retire()
            raise
        return new

    def _tell_of_replaced_plugins(self) -> None:
        """The nursery of the next generation imports what is installed now; this process cannot import it twice."""
        installed = {candidate.name: candidate for candidate in candidates()}
        for name in self.surroundings.plugins.names:
            loaded, found = self.surroundings.plugins.get(name).info, installed.get(name)
            if found is not None and (found.distribution, found.version) != (loaded.distribution, loaded.version):
                told = f"{found} is installed, and does new builds; the worker itself keeps {loaded.version}"
                log.warning("plugin %s: start it again to have it wholly", told, extra=event("plugin_replaced"))

    @property
    def functions(self) -> tuple[str, ...]:
        """The Gearman functions of its jobs."""
        return tuple(name for job in self.config.jobs for name in zuul.functions(job.name, job.nodes))

    @property
    def extent(self) -> str:
        """How much it is, for people: ``2 jobs, 1 slot``."""
        counts = {"job": len(self.plans), "slot": self.config.slots}
        return ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for what, count in counts.items())

    @property
    def branches(self) -> Mapping[str, str | None]:
        """Each job's default branch."""
        return {job.name: job.default_branch for job in self.config.jobs}

    @property
    def last_jobs(self) -> frozenset[str]:
        """Jobs after whose builds the worker stops."""
        return frozenset(job.name for job in self.config.jobs if job.shutdown_after)

    def retire(self) -> None:
        """Nothing begins with it any more; its nursery ends with the last that works with it."""
        if self._users.retire():
            self.nursery.close()

    @contextmanager
    def used(self) -> Iterator[bool]:
        """Work with it: its nursery stays open meanwhile. False: it is retired, there is a newer one."""
        entered = self._users.enter()
        try:
            yield entered
        finally:
            if entered and self._users.leave():
                self.nursery.close()


@contextmanager
def in_use(current: Callable[[], Generation]) -> Iterator[Generation]:
    """Work with the current generation. Raises InfrastructureError when the worker has given up its last one."""
    before: Generation | None = None
    while (generation := current()) is not before:
        with generation.used() as entered:
            if entered:
                yield generation
                return
        before = generation
    raise InfrastructureError("the worker has stopped")
