from __future__ import annotations

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from thplugins_publish_swift import segments

GIB = 1024**3


def test_a_file_is_cut_into_segments_that_sort_in_their_order() -> None:
    cut = segments.cut("45/1/console.log/1", 6 * GIB + 1, GIB)

    assert [segment.size for segment in cut] == [GIB] * 6 + [1]
    assert cut[6].name == f"45/1/console.log/1/{6 * GIB + 1}-{GIB}/00000006"
    assert sorted(cut, key=lambda segment: segment.name) == list(cut)


@given(size=st.integers(1, 10**13), segment_size=st.integers(1, 5 * GIB))
def test_segments_follow_each_other_without_a_gap_and_are_as_many_as_swift_takes(size: int, segment_size: int) -> None:
    cut = segments.cut("x", size, max(segment_size, size // 5000))

    assert len(cut) <= 1000
    assert cut[0].start == 0
    assert all(left.start + left.size == right.start for left, right in itertools.pairwise(cut))
    assert cut[-1].start + cut[-1].size == size


def test_a_static_manifest_names_each_segment_with_size_and_digest() -> None:
    cut = segments.cut("a b", 5, 3)

    assert json.loads(segments.static_manifest("logs_segments", cut, ["d0", "d1"])) == [
        {"path": "/logs_segments/a b/5-3/00000000", "etag": "d0", "size_bytes": 3},
        {"path": "/logs_segments/a b/5-3/00000001", "etag": "d1", "size_bytes": 2},
    ]


def test_a_dynamic_manifest_names_what_the_segments_have_in_common() -> None:
    manifest = segments.dynamic_manifest("logs_segments", segments.cut("a b", 5, 3))

    assert manifest == {"X-Object-Manifest": "logs_segments/a%20b/5-3/"}
