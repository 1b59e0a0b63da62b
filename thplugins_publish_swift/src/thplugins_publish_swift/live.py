"""A build's page while it runs, at the place of its evidence.

Nothing is tried again here: the next state of the page comes in some seconds.
"""

from __future__ import annotations

from thcore.hooks import Build
from thcore.model import LivePage, Publication
from thcore.pages.identity import RESULT
from thcore.pages.site import content_type
from thplugins_publish_swift import address, publication
from thplugins_publish_swift.options import PublishSwiftOptions
from thplugins_publish_swift.patience import Patience
from thplugins_publish_swift.place import Place
from thplugins_publish_swift.store import Store


class Show:
    """The page of one build, which signs in once for all its states. Used by one thread, and closed after the last."""

    def __init__(self, build: Build, options: PublishSwiftOptions) -> None:
        self._build = build
        self._options = options
        self._store = Store(options, Patience(0, build.check))
        self._place = Place(self._store, options.container or "", address.prefix(build.log_path))
        self._claimed = False

    def put_up(self, page: LivePage) -> Publication:
        """Put up a state of the page, unless the evidence is there.

        Raises InfrastructureError when it cannot be, with code ``publish-superseded`` when a later attempt is there.
        """
        url = address.with_account(self._options, self._build.log_path) or publication.stored(self._store, self._place)
        if not self._published():
            self._claim(page)
            for name, content in page.files.items():
                self._build.check()
                # Without it, a browser may show what it has seen before.
                headers = {"Content-Type": content_type(name), "Cache-Control": "no-cache", **self._options.given()}
                self._store.put_made(self._place.container, self._place.prefix + name, content, headers)
        return Publication(url, publication.NAME)

    def close(self) -> None:
        """Close its connection."""
        self._store.close()

    def _published(self) -> bool:
        return self._store.has(self._place.container, self._place.prefix + RESULT)

    def _claim(self, page: LivePage) -> None:
        if self._claimed:
            self._place.still_ours(self._build.id, page.fence)
            return
        publication.container(self._store, self._options)
        present = self._store.listing(self._place.container, self._place.prefix)
        self._place.claim(self._build.id, page.fence, self._options, occupied=bool(present))
        self._claimed = True
