"""What a build may ask of the past while it runs. It reads, and holds nothing open."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from attrs import frozen

from thcore.config.schema import Config
from thcore.model import Change, DatasetRun, JobHistory, Measurement, Step

if TYPE_CHECKING:
    from thcore.history.store import History

_STORE = "thcore.history.store"


@frozen
class Recollection:
    """The past of a worker with this configuration. Made where nothing heavy may be loaded: the database is opened
    when it is asked, in whichever process does."""

    config: Config

    def __call__(self, step: Step, run: DatasetRun, change: Change, limit: int) -> tuple[Measurement, ...]:
        """See ``thcore.hooks.Build.past``. Raises InfrastructureError (``history-unavailable``)."""
        history = self._opened()
        try:
            return history.measurements(
                step.version,
                run.name,
                run.engine_version,
                chain=step.chain,
                conditions=run.conditions,
                fingerprint=run.fingerprint,
                apart=change,
                passed=True,
                limit=limit,
            )
        finally:
            history.close()

    def job(self, name: str, limit: int) -> JobHistory:
        """See ``thcore.hooks.Build.recent``. Raises InfrastructureError (``history-unavailable``)."""
        history = self._opened()
        try:
            return history.job(name, limit=limit)
        finally:
            history.close()

    @staticmethod
    def load() -> None:
        """Load now what the first question would load: a process that is forked afterwards has it already."""
        importlib.import_module(_STORE)

    def _opened(self) -> History:
        from thcore.history.database import address
        from thcore.history.store import History

        return History.peek(address(self.config))
