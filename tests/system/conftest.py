"""Real parts that the system tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.testing.gearmand import Gearmand

from parts.puppet import Theatre
from parts.zuul import Zuul


@pytest.fixture
def gearmand() -> Iterator[Gearmand]:
    with Gearmand() as server:
        yield server


@pytest.fixture
def zuul(gearmand: Gearmand) -> Iterator[Zuul]:
    with Zuul(gearmand.port) as client:
        yield client
        assert client.violations == []


@pytest.fixture
def theatre(tmp_path: Path, zuul: Zuul, gearmand: Gearmand) -> Theatre:
    return Theatre(tmp_path, zuul, gearmand.address)
