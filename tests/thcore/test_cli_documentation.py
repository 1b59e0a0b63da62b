from __future__ import annotations

import re
from pathlib import Path

import pytest

from thcore.cli.documentation import CONFIGURATION, documented
from thcore.cli.main import SERVER_CODES
from thcore.errors import (
    CancelledError,
    ChangeError,
    ConfigError,
    InfrastructureError,
    PluginError,
    RefusedError,
    ThcoreError,
)

DOCS = Path(__file__).parents[2] / "docs"


def raised(error: ThcoreError, module: str) -> ThcoreError:
    """The error as it arrives when a function of that module has raised it."""
    try:
        exec("raise error", {"__name__": module, "error": error})
    except ThcoreError as caught:
        return caught
    raise AssertionError


def sections(page: str) -> set[str]:
    """The anchors of a page's headings."""
    text = (DOCS / page).with_suffix(".md").read_text("utf-8")
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("slot: unknown key"),
        PluginError("it raised"),
        RefusedError("no project"),
        *(InfrastructureError("gone", code=code) for code in sorted(SERVER_CODES)),
        InfrastructureError("the disk"),
        ChangeError("no such file"),
    ],
    ids=lambda error: f"{type(error).__name__} {getattr(error, 'code', '')}".strip(),
)
def test_an_error_names_a_page_that_is_there(error: ThcoreError) -> None:
    told = documented(raised(error, "thcore.gearman.client"))

    assert told is not None
    for place in told.split(", "):
        page, _, section = place.partition("#")
        assert not section or section in sections(page), place


def test_a_code_of_a_plugin_of_somebody_else_is_looked_for_in_no_page_of_ours() -> None:
    assert documented(raised(InfrastructureError("gone", code="bucket-missing"), "thplugins_bucket.plugin")) is None


def test_of_a_build_that_was_stopped_there_is_nothing_to_read() -> None:
    assert documented(raised(CancelledError("stopped"), "thcore.pipeline.build")) is None


def test_the_pages_of_the_configuration_hold_its_keys() -> None:
    for page in CONFIGURATION.split(", "):
        assert "```{made} " in (DOCS / page).with_suffix(".md").read_text("utf-8")


def test_a_refused_name_of_a_new_plugin_leads_to_the_page_on_new_plugins() -> None:
    told = documented(raised(RefusedError("no name"), "thcore.starter.distribution"))
    assert told == "tutorial-plugin.html"
    assert (DOCS / "tutorial-plugin.md").is_file()
