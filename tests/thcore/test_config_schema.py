from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from thcore.config import Config, load
from thcore.errors import ConfigError


def loaded(directory: Path, **content: Any) -> Config:
    path = directory / "thcore.yaml"
    path.write_text(yaml.safe_dump({"jobs": [{"name": "gate", "plugins": {"shell": {}}}], **content}))
    return load(path)


@pytest.mark.parametrize(
    ("listen", "address", "exposed"),
    [
        (None, None, False),
        (9477, ("127.0.0.1", 9477), False),
        ("9477", ("127.0.0.1", 9477), False),
        ("127.0.0.1:9477", ("127.0.0.1", 9477), False),
        ("127.1.2.3:80", ("127.1.2.3", 80), False),
        ("localhost:9477", ("localhost", 9477), False),
        ("[::1]:9477", ("::1", 9477), False),
        ("[::]:9477", ("::", 9477), True),
        ("0.0.0.0:9477", ("0.0.0.0", 9477), True),
        ("gate-1.example.org:9477", ("gate-1.example.org", 9477), True),
    ],
)
def test_the_status_is_shown_where_the_file_says_and_nowhere_by_default(
    tmp_path: Path, listen: str | int | None, address: tuple[str, int] | None, exposed: bool
) -> None:
    config = loaded(tmp_path, web={"listen": listen})

    assert (config.web.address, config.web.exposed) == (address, exposed)
    assert loaded(tmp_path).web.address is None


@pytest.mark.parametrize(
    "listen", ["", "localhost", ":9477", "127.0.0.1:", "127.0.0.1:0", 0, 65536, -1, "::1:9477", "a b:1", "http://x:1"]
)
def test_what_is_no_place_to_listen_is_refused_with_an_example(tmp_path: Path, listen: str | int) -> None:
    with pytest.raises(ConfigError, match=r"web\.listen: .* is no place to listen; write host:port, for example"):
        loaded(tmp_path, web={"listen": listen})


def test_a_place_that_other_machines_can_reach_is_noted(tmp_path: Path) -> None:
    (note,) = loaded(tmp_path, web={"listen": "0.0.0.0:9477"}).notes

    assert note.endswith("thcore.yaml: web.listen: other machines can reach it, and there is no password")
    assert loaded(tmp_path, web={"listen": 9477}).notes == ()


def test_the_log_is_text_of_bounded_size_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    log = loaded(tmp_path).log
    assert (log.format, log.max_size, log.keep) == ("text", 100 * 1024 * 1024, 5)

    log = loaded(tmp_path, log={"format": "json", "max_size": "1GiB", "keep": 1}).log
    assert (log.format, log.max_size, log.keep) == ("json", 1024**3, 1)


@pytest.mark.parametrize("log", [{"format": "xml"}, {"max_size": "1K"}, {"keep": 0}])
def test_a_log_that_could_not_be_kept_is_refused(tmp_path: Path, log: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"log.{next(iter(log))}: "):
        loaded(tmp_path, log=log)
