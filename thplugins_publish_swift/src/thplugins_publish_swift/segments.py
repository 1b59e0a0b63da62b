"""Large files: cut into segments, and joined by a manifest."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from attrs import frozen

_MOST = 1000  # segments that Swift takes in one static manifest, unless its operator has set another limit


@frozen
class Segment:
    """A part of a file, ``size`` bytes from ``start`` on, and the object that it is stored as."""

    name: str
    start: int
    size: int


def cut(base: str, size: int, segment_size: int) -> tuple[Segment, ...]:
    """The segments of a file of this size. Their names begin with ``base``, and tell how the file was cut."""
    segment_size = max(segment_size, math.ceil(size / _MOST))
    return tuple(
        Segment(f"{base}/{size}-{segment_size}/{number:08}", start, min(segment_size, size - start))
        for number, start in enumerate(range(0, size, segment_size))
    )


def static_manifest(container: str, segments: Sequence[Segment], digests: Sequence[str]) -> bytes:
    """The body of a static manifest (SLO). Swift compares each segment with it before it takes it."""
    entries = [
        {"path": f"/{container}/{segment.name}", "etag": digest, "size_bytes": segment.size}
        for segment, digest in zip(segments, digests, strict=True)
    ]
    return json.dumps(entries).encode()


def dynamic_manifest(container: str, segments: Sequence[Segment]) -> Mapping[str, str]:
    """The headers of a dynamic manifest (DLO), which joins all objects whose names begin so."""
    return {"X-Object-Manifest": quote(f"{container}/{segments[0].name.rpartition('/')[0]}/")}
