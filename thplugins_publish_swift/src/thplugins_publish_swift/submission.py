"""Publishing one build as Zuul instructs: in forms that Zuul has signed, without an account."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Sequence
from functools import partial
from urllib.parse import urlsplit

import requests
from attrs import frozen
from swiftclient.exceptions import ClientException

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import Outcome, Publication
from thcore.pages import identity, site
from thcore.pages.identity import RESULT
from thcore.pages.site import Site, SiteFile
from thplugins_publish_swift import address, content, crew, instructions, place, trouble
from thplugins_publish_swift.failure import failure
from thplugins_publish_swift.form import Form, Part
from thplugins_publish_swift.instructions import Instructions
from thplugins_publish_swift.options import PublishSwiftOptions
from thplugins_publish_swift.patience import Patience
from thplugins_publish_swift.publication import NAME, takeable, told

_LARGEST_RESULT = 64 * 1024 * 1024
_LARGEST_ANSWER = 64 * 1024


def publish(build: Build, options: PublishSwiftOptions, name: str, outcome: Outcome) -> Publication:
    """Send a build's site where the instructions ``name`` say, and answer where its page is.

    Raises InfrastructureError (code ``publish-failed``) when it cannot: then the page is not there, unless an earlier
    attempt's is. A form can neither look at what is there nor remove it; where everyone may read it, the result of a
    later attempt is found and left (``publish-superseded``).
    """
    orders = instructions.read(build.parameters, name)
    publication = Publication(address.instructed(orders, options), NAME)
    with site.assembled(build.workspace.artifacts, told(outcome, publication), build.recent()) as assembled:
        files = takeable(assembled, build, instructions.reason_against)
        orders.check(files, datetime.datetime.now(datetime.UTC))
        sender = Sender(orders, options, assembled, Patience(options.retries, build.check))
        place.check(sender.present(), outcome.build, outcome.fence, orders.url)
        sender.send(files)
    return publication


@frozen
class Sender:
    """Sends the files of a site in forms."""

    orders: Instructions
    options: PublishSwiftOptions
    site: Site
    patience: Patience

    def send(self, files: Sequence[SiteFile]) -> None:
        """Send all files, the page in a form of its own when the others are there."""
        *others, page = files
        forms = [partial(self._send, batch) for batch in _batches(others, self.orders.max_count)]
        crew.all_done(forms, self.options.connections, self.patience)
        self._send([page])

    def present(self) -> identity.Identity | None:
        """Which attempt's result is there, if everyone may read it."""
        url = address.quoted(self.orders.object_url(RESULT))
        try:
            status, document = self._ask("GET", url, _LARGEST_RESULT)
            return identity.read(document) if status == requests.codes.ok else None
        except trouble.ERRORS:
            return None  # sending will tell what is wrong

    def _send(self, batch: Sequence[SiteFile]) -> None:
        what = f"send {batch[0].name} and {len(batch) - 1} more to {self.orders.url}"
        self.patience.persist(what, partial(self._once, batch))

    def _once(self, batch: Sequence[SiteFile]) -> None:
        parts = [
            Part(
                self.orders.filename(file.name),
                content.described(self.site, file),
                content.whole(self.site, file),
            )
            for file in batch
        ]
        kept = self.options.delete_after
        fields = {**self.orders.fields, **({} if kept is None else {"x_delete_after": str(int(kept))})}
        form = Form(fields, parts, self.patience.go_on)
        status, body = self._ask("POST", address.quoted(self.orders.url), _LARGEST_ANSWER, form)
        if status == requests.codes.unauthorized:
            raise self._unauthorized(body)
        if status != requests.codes.created:
            raise ClientException("the form was not taken", http_status=status, http_response_content=body)

    def _unauthorized(self, body: bytes) -> InfrastructureError:
        if b"expired" in body.lower():
            return failure(
                f"Zuul's form has expired, says {self.orders.url}; raise expiry of swift in zuul.conf, or give the"
                " plugin an account"
            )
        allowed = self._digests()
        if allowed is not None and self.orders.digest not in allowed:
            return failure(
                f"Zuul signs its forms with {self.orders.digest}, and {self.orders.url} takes only"
                f" {', '.join(sorted(allowed))}; have Swift's operator add it to allowed_digests of formpost, or"
                " give the plugin an account"
            )
        return failure(
            f"{self.orders.url} does not take Zuul's signature{trouble.answered(body)}; the key in zuul.conf must be"
            " the account's or the container's Temp-URL key"
        )

    def _digests(self) -> frozenset[str] | None:
        """The digests that the server takes, if it says so."""
        parts = urlsplit(self.orders.url)
        try:
            url = f"{parts.scheme}://{parts.netloc}/info"
            known = json.loads(self._ask("GET", url, _LARGEST_ANSWER)[1])
            return frozenset(str(name) for name in known["formpost"]["allowed_digests"])
        except (*trouble.ERRORS, LookupError, TypeError, ValueError):
            return None

    def _ask(self, method: str, url: str, limit: int, form: Form | None = None) -> tuple[int, bytes]:
        """Status and body of the answer. The address came with the build: no redirect is followed, no password of the
        worker's account is sent, and no endless answer is read."""
        with requests.request(
            method,
            url,
            data=form,
            headers={} if form is None else {"Content-Type": form.content_type},
            timeout=float(self.options.timeout),
            verify=True if self.options.ca_file is None else str(self.options.ca_file),
            auth=lambda request: request,
            allow_redirects=False,
            stream=True,
        ) as answer:
            return answer.status_code, answer.raw.read(limit, decode_content=True)


def _batches(files: Sequence[SiteFile], count: int) -> Iterator[Sequence[SiteFile]]:
    for start in range(0, len(files), count):
        yield files[start : start + count]
