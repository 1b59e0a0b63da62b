"""What a build has worked out already, for all of its threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memo(Generic[K, V]):
    """Values by key, each worked out once. Threads that want the same one wait for the first; when its work raises, the
    next one tries. Threads that want others do not wait."""

    def __init__(self) -> None:
        self._values: dict[K, V] = {}
        self._turns: dict[K, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of a key; ``make`` works it out where that was not done yet. Raises what ``make`` raises."""
        with self._lock:
            turn = self._turns.setdefault(key, threading.Lock())
        with turn:
            if key not in self._values:
                self._values[key] = make()
            return self._values[key]
