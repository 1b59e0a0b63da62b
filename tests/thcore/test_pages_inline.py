"""The policy of a page names exactly the style and script that stand in it."""

from __future__ import annotations

import base64
import hashlib

from thcore.pages.inline import RENEWAL, SORTING, STYLE, policy


def test_a_policy_has_a_hash_for_each_text_and_nothing_without_one() -> None:
    digest = base64.b64encode(hashlib.sha256(b"p { color: red }").digest()).decode()

    told = policy(["p { color: red }"])

    assert f"style-src 'sha256-{digest}'" in told
    assert "script-src 'none'" in told
    assert told.startswith("default-src 'none'; ")


def test_what_stands_in_every_page_does_not_end_its_element() -> None:
    assert "</" not in STYLE
    assert "</" not in SORTING
    assert "</" not in RENEWAL
