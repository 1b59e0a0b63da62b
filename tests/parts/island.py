"""A host of its own behind a cable: a network namespace, from which every packet can be lost without a word."""

from __future__ import annotations

import itertools
import os
import subprocess
from typing import Self

import pytest

_numbers = itertools.count()
NETWORK = "198.18.{}.{}/30"
"""Of the block that is reserved for measurements between networks."""


class Island:
    """There from entering to leaving the ``with``; needs root. ``address`` is that of the island, as seen from here.

    Skips the test where the system does not permit a network namespace.
    """

    def __init__(self) -> None:
        number = next(_numbers)
        self.name = f"island-{os.getpid()}-{number}"
        block, place = os.getpid() % 256, (number % 63) * 4
        self._here = NETWORK.format(block, place + 1)
        self._there = NETWORK.format(block, place + 2)
        self._cable = f"i{os.getpid()}n{number}"
        self.address = self._there.partition("/")[0]

    @property
    def inside(self) -> list[str]:
        """What a command begins with that runs on the island."""
        return ["ip", "netns", "exec", self.name]

    def drop(self) -> None:
        """Lose every packet from here to there, and with them every answer."""
        self._ip("-n", self.name, "address", "del", self._there, "dev", "cable")

    def heal(self) -> None:
        """Lose no more."""
        self._ip("-n", self.name, "address", "add", self._there, "dev", "cable")

    def __enter__(self) -> Self:
        try:
            self._ip("netns", "add", self.name)
            self._ip("link", "add", self._cable, "type", "veth", "peer", "name", "cable", "netns", self.name)
        except (OSError, subprocess.CalledProcessError) as error:
            self.__exit__()
            pytest.skip(f"no network namespace can be made here: {getattr(error, 'stderr', None) or error}")
        self._ip("address", "add", self._here, "dev", self._cable)
        self._ip("link", "set", self._cable, "up")
        self._ip("-n", self.name, "link", "set", "lo", "up")
        self._ip("-n", self.name, "link", "set", "cable", "up")
        self.heal()
        return self

    def __exit__(self, *exception: object) -> None:
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)  # takes the cable along

    def _ip(self, *arguments: str) -> None:
        subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True)
