"""Publishing one build with an account."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from attrs import evolve, frozen

from thcore.hooks import Build
from thcore.model import Outcome, Publication
from thcore.pages import live, site
from thcore.pages.html import INDEX
from thcore.pages.site import Site, SiteFile
from thplugins_publish_swift import address, content, crew, place, segments
from thplugins_publish_swift.content import Content
from thplugins_publish_swift.failure import failure
from thplugins_publish_swift.options import PublishSwiftOptions
from thplugins_publish_swift.patience import Patience
from thplugins_publish_swift.place import CLAIM, Place
from thplugins_publish_swift.segments import Segment
from thplugins_publish_swift.store import Listed, Store

T = TypeVar("T")

NAME = "publish_swift"
_TOLD = 20
_LISTINGS = ".rlistings"


def publish(build: Build, options: PublishSwiftOptions, outcome: Outcome) -> Publication:
    """Put a build's site into the container and answer where its page is.

    Raises InfrastructureError (code ``publish-failed``) when it cannot: then the page is not there. Code
    ``publish-superseded``: a later attempt is published. What is there already of the same attempt is not sent again.
    """
    patience = Patience(options.retries, build.check)
    prefix = address.prefix(build.log_path)
    with Store(options, patience) as store:
        here = Place(store, options.container or "", prefix)
        publication = Publication(address.with_account(options, build.log_path) or stored(store, here), NAME)
        read_acl = container(store, options)
        present = store.listing(here.container, prefix)
        if not here.claim(outcome.build, outcome.fence, options, occupied=bool(present)) and prefix + INDEX in present:
            store.delete(here.container, prefix + INDEX)
        with site.assembled(build.workspace.artifacts, told(outcome, publication), build.recent()) as assembled:
            files = takeable(assembled, build, lambda name: place.reason_against(name, prefix))
            Shipment(here, options, assembled, outcome, read_acl, present).send(files)
    return publication


def told(outcome: Outcome, publication: Publication) -> Outcome:
    """The outcome that knows of this publication."""
    others = (other for other in outcome.publications if other != publication)
    return evolve(outcome, publications=(*others, publication))


def takeable(assembled: Site, build: Build, reason_against: Callable[[str], str | None]) -> Sequence[SiteFile]:
    """The files whose names the target can have. The build log tells of the others."""
    against = {file.name: reason for file in assembled.files if (reason := reason_against(file.name)) is not None}
    for name, reason in list(against.items())[:_TOLD]:
        build.log(f"{name!r} is not published: {reason}", source=NAME)
    if len(against) > _TOLD:
        build.log(f"{len(against) - _TOLD} more files are not published because of their names", source=NAME)
    return [file for file in assembled.files if file.name not in against]


@frozen
class Shipment:
    """A site on its way to its place. ``present`` is what was listed there, by name."""

    here: Place
    options: PublishSwiftOptions
    site: Site
    outcome: Outcome
    read_acl: str | None
    present: Mapping[str, Listed]

    def send(self, files: Sequence[SiteFile]) -> None:
        """Store the files, and remove what an earlier attempt has left."""
        *evidence, document, page = files
        large = {file.name: self._cut(file) for file in evidence if file.size > self.options.segment_size}
        known = self._segments(bool(large))
        parts = [(file, segment) for file in evidence for segment in large.get(file.name, ())]
        # The large ones begin, so that nobody waits for them at the end.
        digests = self._all(
            [
                *(partial(self._store_segment, file, segment, known) for file, segment in parts),
                *(partial(self._store, file) for file in evidence if file.name not in large),
            ]
        )
        joined = {segment.name: digest for (_, segment), digest in zip(parts, digests, strict=False)}
        self._all([partial(self._join, file, large[file.name], joined) for file in evidence if file.name in large])
        self._clear({file.name for file in files}, set(joined), known)
        self._put(document)
        self.here.still_ours(self.outcome.build, self.outcome.fence)
        self._put(page)
        ours = {self.here.prefix + file.name for file in files}
        self._remove([(self.here.container, name) for name in self.present if self._live(name) and name not in ours])

    def _cut(self, file: SiteFile) -> tuple[Segment, ...]:
        base = f"{self.here.prefix}{file.name}/{self.outcome.attempt}"
        return segments.cut(base, file.size, self.options.segment_size)

    def _segments(self, needed: bool) -> Mapping[str, Listed]:
        """The segments that are there. Their container is made when it is needed, to be read by the same people."""
        store, container = self.here.store, self.options.segments
        if needed and store.headers(container) is None:
            readers = self.read_acl or ""
            if self.options.large_objects == "dynamic" and ".r:" in readers and _LISTINGS not in readers:
                readers += f",{_LISTINGS}"  # Swift lists the segments with the rights of who reads the file
            store.make(container, {"X-Container-Read": readers} if readers else {})
        return store.listing(container, self.here.prefix) if needed or self.present else {}

    def _store(self, file: SiteFile) -> str:
        """Store a file, unless it is there already; answers its digest."""
        described = content.described(self.site, file)
        there = self.present.get(self.here.prefix + file.name)
        if there is not None and _same(there.content_type, described["Content-Type"]):
            digest = self._equal(content.whole(self.site, file), there)
            if digest is not None:
                return digest
        return self._put(file)

    def _put(self, file: SiteFile) -> str:
        headers = {**content.described(self.site, file), **self.options.given()}
        name = self.here.prefix + file.name
        return self.here.store.put(self.here.container, name, content.whole(self.site, file), headers)

    def _store_segment(self, file: SiteFile, segment: Segment, known: Mapping[str, Listed]) -> str:
        part = Content(self.site, file, segment.start, segment.size)
        digest = self._equal(part, known.get(segment.name))
        if digest is not None:
            return digest
        headers = {"Content-Type": "application/octet-stream", **self.options.given()}
        return self.here.store.put(self.options.segments, segment.name, part, headers)

    def _equal(self, part: Content, there: Listed | None) -> str | None:
        """The digest of what is there, when it is the same."""
        if there is None or there.size != part.size:
            return None
        digest = part.digest(self.here.store.patience.go_on)
        return digest if digest == there.digest else None

    def _join(self, file: SiteFile, cut: Sequence[Segment], digests: Mapping[str, str]) -> None:
        headers = {**content.described(self.site, file), **self.options.given()}
        body, query = b"", None
        if self.options.large_objects == "static":
            found = [digests[segment.name] for segment in cut]
            body, query = segments.static_manifest(self.options.segments, cut, found), "multipart-manifest=put"
        else:
            headers.update(segments.dynamic_manifest(self.options.segments, cut))
        self.here.store.put_made(self.here.container, self.here.prefix + file.name, body, headers, query)

    def _clear(self, names: set[str], kept: set[str], known: Mapping[str, Listed]) -> None:
        """Remove what this attempt has not stored, but for what the page of the running build may still link to."""
        prefix = self.here.prefix
        ours = {prefix + name for name in (*names, CLAIM)}
        stale = [(self.here.container, name) for name in self.present if name not in ours and not self._live(name)]
        stale += [(self.options.segments, name) for name in known if name not in kept]
        self._remove(stale)

    def _live(self, name: str) -> bool:
        return name.startswith(f"{self.here.prefix}{live.DIRECTORY}/")

    def _remove(self, objects: Sequence[tuple[str, str]]) -> None:
        self._all([partial(self.here.store.delete, container, name) for container, name in objects])

    def _all(self, parts: Sequence[Callable[[], T]]) -> list[T]:
        return crew.all_done(parts, self.options.connections, self.here.store.patience)


def _same(listed: str, given: str) -> bool:
    """Whether two content types are one; a listing has them without blanks."""
    return listed.replace(" ", "") == given.replace(" ", "")


def stored(store: Store, here: Place) -> str:
    """The address of a build's page in Swift."""
    return address.stored(store.url, here.container, f"{here.prefix}{INDEX}")


def container(store: Store, options: PublishSwiftOptions) -> str | None:
    """Have the container there; answers who may read it."""
    name = options.container or ""
    headers = store.headers(name)
    if headers is None and not options.create_container:
        raise failure(f"there is no container {name}; make it, or set create_container")
    if headers is None:
        headers = {"x-container-read": options.read_acl} if options.read_acl else {}
        web = {"X-Container-Meta-Web-Index": INDEX, "X-Container-Meta-Web-Listings": "true"}
        store.make(name, {**headers, **(web if options.static_web else {})})
    return headers.get("x-container-read")
