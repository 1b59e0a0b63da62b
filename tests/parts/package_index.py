"""A package index on this machine that says when each file was published."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

JSON = "application/vnd.pypi.simple.v1+json"


@contextmanager
def package_index(published: Mapping[Path, str]) -> Iterator[str]:
    """Serve wheels, each published on its day, as in ``2024-01-31``. Answers the URL of the index."""
    wheels = {path.name: path for path in published}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            *_, place, name = self.path.strip("/").split("/")
            if place == "files":
                self._answer(wheels[name].read_bytes(), "application/octet-stream")
                return
            files = [
                {"filename": path.name, "url": f"/files/{path.name}", "hashes": {}, "upload-time": f"{day}T12:00:00Z"}
                for path, day in published.items()
                if path.name.startswith(f"{name}-")
            ]
            self._answer(json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": files}).encode(), JSON)

        def _answer(self, content: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/simple"
        finally:
            server.shutdown()
            serving.join()
