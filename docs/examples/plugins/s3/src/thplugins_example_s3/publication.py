"""Publishing one build."""

from __future__ import annotations

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import Outcome
from thcore.pages import identity, site
from thcore.pages.site import SiteFile

from thplugins_example_s3.options import S3Options
from thplugins_example_s3.storage import Bucket


def publish(build: Build, bucket: Bucket, options: S3Options, outcome: Outcome) -> None:
    """Put up the evidence of a build, and remove what an earlier attempt has put up beside it.

    Nothing is done when a later attempt of the build is there already. Storage has no moment at which all of a build
    appears: ``result.json`` and the page come last, so that whoever sees them sees the rest. Raises
    InfrastructureError.
    """
    if _has_a_later_attempt(bucket, options.key(build.log_path, identity.RESULT), outcome):
        build.log("a later attempt of this build is published; it stays", source="s3")
        return
    present = set(bucket.keys(options.key(build.log_path)))
    with site.assembled(build.workspace.artifacts, outcome) as assembled:
        for file in assembled.files:
            build.check()
            if not is_key(file.name):
                build.log(f"{file.name!r} is not published: storage has no such names", source="s3")
                continue
            key = options.key(build.log_path, file.name)
            _put(assembled, file, bucket, key)
            present.discard(key)
    bucket.delete(sorted(present))


def _has_a_later_attempt(bucket: Bucket, key: str, outcome: Outcome) -> bool:
    """A worker that has lost the build may come late: it takes the place of nobody."""
    document = bucket.read(key)
    there = identity.read(document) if document is not None else None
    return there is not None and there.fence is not None and there.fence.after(outcome.fence)


def _put(assembled: site.Site, file: SiteFile, bucket: Bucket, key: str) -> None:
    try:
        with assembled.open(file) as content:
            bucket.write(key, content, file.content_type)
    except OSError as error:
        raise InfrastructureError(f"{file.name!r} cannot be read: {error}", code="publish-failed") from error


def is_key(name: str) -> bool:
    """Whether a file's name can be part of a key: UTF-8, and nothing that XML, the language of S3, cannot tell."""
    return all(letter >= " " and not "\ud800" <= letter <= "\udfff" for letter in name)
