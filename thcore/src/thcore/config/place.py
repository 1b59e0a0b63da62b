"""From which file and key each part of a merged document came."""

from __future__ import annotations

from collections.abc import Iterable

from thcore.config.problem import KeyPath, Problem, at


class Places:
    """Places of the parts of one document, as ``at`` writes them. What is not known itself is below what is."""

    def __init__(self, root: str) -> None:
        self._known: dict[KeyPath, str] = {(): root}

    def __getitem__(self, path: KeyPath) -> str:
        """The place of the value at ``path``."""
        for length in range(len(path), -1, -1):
            if path[:length] in self._known:
                return at(self._known[path[:length]], path[length:])
        raise KeyError(path)

    def put(self, path: KeyPath, place: str) -> None:
        """Say that the value at ``path`` came from ``place``. What was known below ``path`` is forgotten."""
        for known in [known for known in self._known if known[: len(path)] == path]:
            del self._known[known]
        self._known[path] = place

    def copy(self, source: KeyPath, target: KeyPath) -> None:
        """Say that the value at ``target`` is the one at ``source``, with everything below."""
        below = {known[len(source) :]: place for known, place in self._known.items() if known[: len(source)] == source}
        self.put(target, self[source])
        self._known.update({(*target, *rest): place for rest, place in below.items()})

    def text(self, problem: Problem) -> str:
        """The problem with its place, fit for ConfigError."""
        return f"{self[problem.path]}: {problem.text}"

    def texts(self, problems: Iterable[Problem]) -> tuple[str, ...]:
        """All problems with their places, each said once."""
        return tuple(dict.fromkeys(self.text(problem) for problem in problems))
