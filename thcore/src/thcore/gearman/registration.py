"""What a server says we have registered, compared with what we have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence


def compare(answer: str, client: str, expected: Sequence[str]) -> tuple[str, ...]:
    """What is wrong, in words, about the connection of ``client`` in a server's answer to ``workers``.

    ``expected`` is what the connection has registered. Where several have that name, the best one counts: the server
    may not have noticed yet that an old one is gone.
    """
    lists = [functions for name, functions in _workers(answer) if name == client]
    if not lists:
        return (f"does not know {client}, though the connection to it is up",)
    return min((_differences(client, functions, expected) for functions in lists), key=len)


def _differences(client: str, functions: Iterable[str], expected: Sequence[str]) -> tuple[str, ...]:
    found = Counter(functions)
    return (
        *(f"does not list {name} for {client}: no job of it comes here" for name in expected if not found[name]),
        *(f"lists {name} {count} times for {client}" for name, count in found.items() if count > 1),
        *(f"still lists {name} for {client}" for name in found if name not in expected),
    )


def _workers(answer: str) -> Iterable[tuple[str, list[str]]]:
    """Client id and functions of each line, ``FD ADDRESS CLIENT-ID : FUNCTION ...``."""
    for line in answer.splitlines():
        front, colon, functions = line.partition(" :")
        parts = front.split(maxsplit=2)
        if colon and len(parts) == 3:
            yield parts[2], functions.split()
