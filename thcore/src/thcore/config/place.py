"""From which file and key each part of a merged document came."""

from __future__ import annotations

import copy
from collections.abc import Iterable

from attrs import define, field

from thcore.config.problem import KeyPath, Problem, at


@define
class _Node:
    place: str | None = None
    below: dict[str | int, _Node] = field(factory=dict)


class Places:
    """Places of the parts of one document, as ``at`` writes them. What is not known itself is below what is."""

    def __init__(self, root: str) -> None:
        self._root = _Node(root)

    def __getitem__(self, path: KeyPath) -> str:
        """The place of the value at ``path``."""
        node, known, known_length = self._root, self._root.place or "", 0
        for length, part in enumerate(path, 1):
            if part not in node.below:
                break
            node = node.below[part]
            if node.place is not None:
                known, known_length = node.place, length
        return at(known, path[known_length:])

    def put(self, path: KeyPath, place: str) -> None:
        """Say that the value at ``path`` came from ``place``. What was known below ``path`` is forgotten."""
        node = self._node(path)
        node.place = place
        node.below.clear()

    def copy(self, source: KeyPath, target: KeyPath) -> None:
        """Say that the value at ``target`` is the one at ``source``, with everything below."""
        below = copy.deepcopy(self._node(source).below)
        self.put(target, self[source])
        self._node(target).below.update(below)

    def _node(self, path: KeyPath) -> _Node:
        node = self._root
        for part in path:
            node = node.below.setdefault(part, _Node())
        return node

    def text(self, problem: Problem) -> str:
        """The problem with its place, fit for ConfigError."""
        return f"{self[problem.path]}: {problem.text}"

    def texts(self, problems: Iterable[Problem]) -> tuple[str, ...]:
        """All problems with their places, each said once."""
        return tuple(dict.fromkeys(self.text(problem) for problem in problems))
