"""The pictures of pages in the documentation are of real results: the quickstart's, and one whose dataset is damaged.

``THCORE_SCREENSHOTS=1`` makes them anew; without it they are made and only compared in their size, since fonts differ
from machine to machine.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import frozen

from thcore.quickstart import site

from parts.browser import NARROW, Visitor

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "_static"
WRITE = os.environ.get("THCORE_SCREENSHOTS") == "1"

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(600)]


@frozen
class Picture:
    """A picture of the first screen of a verdict's page, or of the ``part`` of it that a selector finds."""

    name: str
    verdict: str
    part: str = ""
    width: int = 1120
    height: int = 900
    dark: bool = False


PAGES = (
    Picture("result-success", "SUCCESS"),
    Picture("result-failure", "FAILURE"),
    Picture("result-unverified", "UNVERIFIED"),
    Picture("result-failure-dark", "FAILURE", dark=True),
    Picture("result-failure-narrow", "FAILURE", width=NARROW, height=780),
    Picture("result-timeline", "SUCCESS", part="#timeline"),
)


def thcore(home: Path, *arguments: str) -> int:
    argv = [sys.executable, "-m", "thcore.cli.main", *arguments]
    return subprocess.run(argv, cwd=home, capture_output=True, check=False).returncode


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of each verdict."""
    home = tmp_path_factory.mktemp("home")
    assert thcore(home, "quickstart", "shop") == 0
    shop = home / "shop"
    seed = shop / "datasets" / "shop_production" / "seed.sql.gz"
    with gzip.open(seed, "at") as file:
        file.write("INSERT INTO returns VALUES (1);\n")  # of a table that an older dump had
    change = site.CHANGES[0]
    thcore(shop, "run", site.JOB, "--project", site.PROJECT, "--branch", "main", "--ref", change.ref)
    return {
        json.loads(document.read_text())["verdict"]: document.with_name("index.html")
        for document in (shop / "results").rglob("result.json")
    }


def size(png: bytes) -> tuple[int, int]:
    """Width and height of a picture, in pixels."""
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.mark.parametrize("picture", PAGES, ids=lambda picture: picture.name)
def test_the_picture_of_a_page_is_of_what_a_real_build_looks_like_today(
    visitor: Visitor, pages: dict[str, Path], picture: Picture
) -> None:
    page = visitor.open(pages[picture.verdict], width=picture.width, height=picture.height, dark=picture.dark)
    made = page.locator(picture.part).screenshot() if picture.part else page.screenshot()
    file = PICTURES / f"{picture.name}.png"
    if WRITE:
        file.write_bytes(made)

    kept, now = size(file.read_bytes()), size(made)

    assert kept[0] == now[0]
    assert abs(kept[1] - now[1]) < 40, "as high as then, but for a line or two"
    (alt,) = re.findall(rf"```{{image}} _static/{picture.name}\.png\n:alt: (.+)\n", text_of_pages())
    assert picture.verdict in alt
    assert len(alt) > 60, "it tells what is to be seen to who cannot see it"


def text_of_pages() -> str:
    return (ROOT / "docs" / "pages.md").read_text("utf-8")
