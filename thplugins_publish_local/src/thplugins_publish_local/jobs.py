"""A page per job with its history, ``jobs/NAME.html`` below the root, written anew with each build."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from thcore.errors import InfrastructureError
from thcore.model import JobHistory, Outcome, PastAttempt
from thcore.pages import history, html
from thcore.pages.html import INDEX
from thcore.pages.identity import RESULT
from thplugins_publish_local import directories, place, tree
from thplugins_publish_local.access import EVERYBODY, Access

DIRECTORY = "jobs"


def path_of(job: str) -> str:
    """Where the page of a job is below the root."""
    return f"{DIRECTORY}/{quote(job, safe='')}.html"


def write(root: Path, past: JobHistory, outcome: Outcome, access: Access = EVERYBODY) -> None:
    """Write the page of the outcome's job, with the outcome. Raises OSError, and InfrastructureError for a job whose
    name no file can have."""
    page = html.history_page(past.including(outcome), (DIRECTORY,), address=lambda attempt: _address(root, attempt))
    with place.opened(root, path_of(outcome.job), access) as there, directories.locked(there.parent):
        tree.replace_file(there.parent, there.name, page, access)


def _address(root: Path, attempt: PastAttempt) -> str | None:
    """Beside the page where the build is below the same root, else where it was published first."""
    try:
        path = "/".join(place.split(attempt.log_path))
        if (root / path / RESULT).is_file():
            return f"../{quote(path)}/{INDEX}"
    except (InfrastructureError, OSError):
        pass
    return history.published(attempt)
