"""What builds are done with: one configuration, its plugins, and the nursery that has loaded them.

A reload makes a new generation. Builds that run stay with theirs.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from attrs import evolve, field, frozen

from thcore.config.schema import Config
from thcore.gearman import zuul
from thcore.model import WorkerInfo
from thcore.monitoring.action import event
from thcore.pipeline.lifecycle import Surroundings
from thcore.pipeline.plan import Plan, make_plans, used_plugins
from thcore.plugins import Plugins
from thcore.worker.nursery import Nurseries
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

    def enter(self) -> None:
        """One more."""
        with self._lock:
            self._count += 1

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
        fixed = {key: getattr(self.config, key) for key in FIXED}
        new = Generation.made(evolve(config, **fixed), self.surroundings.worker)
        try:
            new.nursery.open()
        except BaseException:
            new.retire()
            raise
        return new

    @property
    def functions(self) -> tuple[str, ...]:
        """The Gearman functions of its jobs."""
        return tuple(name for job in self.config.jobs for name in zuul.functions(job.name, job.nodes))

    @property
    def branches(self) -> Mapping[str, str | None]:
        """Each job's default branch."""
        return {job.name: job.default_branch for job in self.config.jobs}

    @property
    def last_jobs(self) -> frozenset[str]:
        """Jobs after whose builds the worker stops."""
        return frozenset(job.name for job in self.config.jobs if job.shutdown_after)

    def enter(self) -> None:
        """A build begins with it."""
        self._users.enter()

    def leave(self) -> None:
        """That build has ended."""
        if self._users.leave():
            self.nursery.close()

    def retire(self) -> None:
        """No build begins with it any more; its nursery ends with the last that runs."""
        if self._users.retire():
            self.nursery.close()
