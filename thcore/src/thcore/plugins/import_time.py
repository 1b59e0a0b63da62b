"""What an interpreter says that each import took (``python -X importtime``), by the package that was imported."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")


def by_package(lines: Iterable[str], begin: str, end: str) -> Mapping[str, float]:
    """Seconds that the modules of each package took by themselves, between two lines; the largest first.

    Packages of the standard library count one by one as well.
    """
    spent: Counter[str] = Counter()
    for line in _between(lines, begin, end):
        if match := _LINE.search(line):
            spent[match[2].partition(".")[0]] += int(match[1])
    return {package: microseconds / 1e6 for package, microseconds in spent.most_common()}


def _between(lines: Iterable[str], begin: str, end: str) -> Iterator[str]:
    inside = False
    for line in lines:
        if end in line:
            return
        if inside:
            yield line
        inside = inside or begin in line
