"""Where a build's evidence stands in a container, and who may write there.

The first object of a build is its claim: which attempt puts up its evidence here. An attempt that finds the claim of a
later one stops. Swift has no locks: between looking and writing another one may come. So the claim is looked at again
before the page is put up, which is last, and the page of an earlier attempt is removed before its files are replaced.
"""

from __future__ import annotations

import json

from attrs import frozen

from thcore.errors import InfrastructureError
from thcore.model import Fence
from thcore.pages import identity
from thcore.pages.identity import Identity
from thplugins_publish_swift.failure import failure
from thplugins_publish_swift.options import PublishSwiftOptions
from thplugins_publish_swift.store import Store

CLAIM = ".attempt.json"
"""The claim's name beside the evidence."""
LONGEST_NAME = 1024
"""Bytes that the name of an object may have."""
_SEGMENT_NAME = 80  # bytes that the name of a segment has more than that of its file


@frozen
class Place:
    """A build's place. All its names begin with ``prefix``, which ends with a slash."""

    store: Store
    container: str
    prefix: str

    def claim(self, build: str, fence: Fence, options: PublishSwiftOptions, *, occupied: bool) -> bool:
        """Claim the place; answers whether it was this attempt's already. ``occupied``: there are objects.

        Raises InfrastructureError when it belongs to something else, with code ``publish-superseded`` when a later
        attempt was here.
        """
        present = self._claimed()
        check(present, build, fence, self.prefix)
        if present is None and occupied:
            where = f"{self.container}/{self.prefix}"
            raise failure(f"{where} holds no build, but other objects; they are left alone")
        if present is not None and present.fence == fence:
            return True
        headers = {"Content-Type": "application/json", **options.given()}
        self.store.put_made(self.container, self.prefix + CLAIM, _document(build, fence), headers)
        return False

    def still_ours(self, build: str, fence: Fence) -> None:
        """Raise InfrastructureError (``publish-superseded``) when a later attempt has come meanwhile."""
        check(self._claimed(), build, fence, self.prefix)

    def _claimed(self) -> Identity | None:
        document = self.store.read(self.container, self.prefix + CLAIM)
        return None if document is None else identity.read(document)


def check(present: Identity | None, build: str, fence: Fence, where: str) -> None:
    """Raise InfrastructureError when what is there must stay."""
    if present is None:
        return
    if present.build != build:
        raise failure(f"{where} holds the evidence of another build, {present.build}; it is left as it is")
    if present.fence is not None and present.fence.after(fence):
        raise InfrastructureError(
            f"attempt {present.attempt} of this build is published already (by {present.fence.worker});"
            f" attempt {fence.attempt} came too late",
            code="publish-superseded",
        )


def reason_against(name: str, prefix: str) -> str | None:
    """Why a file cannot be stored under its name; None when it can."""
    try:
        encoded = (prefix + name).encode("utf-8")
    except UnicodeEncodeError:
        return "its name is no UTF-8"
    if len(encoded) + _SEGMENT_NAME > LONGEST_NAME:
        return "its name is too long"
    if name == CLAIM:
        return "its name is one of ours"
    return None


def _document(build: str, fence: Fence) -> bytes:
    """What ``identity.read`` understands."""
    told = {
        "build": build,
        "attempt": fence.attempt,
        "started": fence.started.isoformat(),
        "worker": {"name": fence.worker},
    }
    return json.dumps(told).encode()
