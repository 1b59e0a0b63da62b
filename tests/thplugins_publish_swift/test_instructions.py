from __future__ import annotations

import datetime
import re
from collections.abc import Mapping

import pytest

from thcore.errors import InfrastructureError
from thcore.pages.site import SiteFile
from thplugins_publish_swift import instructions
from thplugins_publish_swift.instructions import Instructions

PATH = "/v1/AUTH_acct/logs/45/12345/2/check/JOB/abc1234"
UNTIL = datetime.datetime(2026, 11, 22, 2, 52, 56, tzinfo=datetime.UTC)
SIGNATURE = "a" * 40
SENT = {
    "SWIFT_logs_URL": f"https://swift.example.org{PATH}",
    "SWIFT_logs_HMAC_BODY": f"{PATH}\n\n104857600\n10\n{int(UNTIL.timestamp())}",
    "SWIFT_logs_SIGNATURE": SIGNATURE,
}


def read(**changes: str) -> Instructions:
    return instructions.read({**SENT, **changes}, "logs")


def refusal(**changes: str) -> str:
    with pytest.raises(InfrastructureError) as caught:
        read(**changes)
    assert caught.value.code == "publish-failed"
    return str(caught.value)


def file(name: str, size: int) -> SiteFile:
    return SiteFile(name, size, "text/plain", UNTIL, name)


def test_the_fields_of_the_form_are_those_that_zuul_has_signed() -> None:
    orders = read()

    assert orders.fields == {
        "redirect": "",
        "max_file_size": "104857600",
        "max_file_count": "10",
        "expires": str(int(UNTIL.timestamp())),
        "signature": SIGNATURE,
    }
    assert (orders.max_size, orders.max_count, orders.expires, orders.digest) == (104857600, 10, UNTIL, "sha1")
    assert SIGNATURE not in repr(orders)


def test_swift_joins_address_and_name_so_that_the_name_brings_the_slash() -> None:
    orders = read()

    assert orders.filename("datasets/one.txt") == "/datasets/one.txt"
    assert orders.object_url("console.log") == f"https://swift.example.org{PATH}/console.log"
    assert orders.object_path("console.log") == "45/12345/2/check/JOB/abc1234/console.log"


def test_instructions_of_another_name_are_not_ours() -> None:
    with pytest.raises(
        InfrastructureError, match="Zuul has sent no instructions named docs; give the job a swift entry"
    ):
        instructions.read(SENT, "docs")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"SWIFT_logs_URL": "file:///etc/passwd"}, "is no plain address"),
        ({"SWIFT_logs_URL": f"https://user@swift.example.org{PATH}"}, "is no plain address"),
        ({"SWIFT_logs_URL": f"https://swift.example.org{PATH}?x=y"}, "is no plain address"),
        ({"SWIFT_logs_URL": f"https://swift.example.org{PATH}/"}, "are not the same"),
        ({"SWIFT_logs_URL": "https://swift.example.org/v1/A/c/../x"}, "are not the same"),
        ({"SWIFT_logs_HMAC_BODY": PATH}, "is not path, redirect, size, count and expiry"),
        ({"SWIFT_logs_HMAC_BODY": f"{PATH}\n\nmany\n10\n1"}, "is not path, redirect, size, count and expiry"),
        ({"SWIFT_logs_HMAC_BODY": f"{PATH}\n\n1\n0\n1"}, "takes no file"),
        ({"SWIFT_logs_HMAC_BODY": f"{PATH}\nhttps://example.org\n1\n1\n1"}, "a form that redirects"),
        ({"SWIFT_logs_HMAC_BODY": f"{PATH}\n\n1\n1\n{10**30}"}, "is no time"),
        ({"SWIFT_logs_SIGNATURE": ""}, "Zuul has sent no instructions named logs"),
    ],
)
def test_instructions_that_could_lead_elsewhere_are_refused(changes: Mapping[str, str], words: str) -> None:
    assert words in refusal(**changes)


def test_a_logserver_that_is_no_address_is_not_used() -> None:
    assert read(SWIFT_logs_LOGSERVER_PREFIX="javascript:alert(1)//").logserver is None
    assert read(SWIFT_logs_LOGSERVER_PREFIX="https://logs.example.org/").logserver == "https://logs.example.org/"


def test_a_form_that_has_expired_is_known_before_anything_is_sent() -> None:
    read().check([], UNTIL - datetime.timedelta(minutes=1))

    words = "Zuul's form was good until 2026-11-22 02:52:56 UTC, and time in the queue counts; raise expiry"
    with pytest.raises(InfrastructureError, match=re.escape(words)):
        read().check([], UNTIL + datetime.timedelta(minutes=1))


def test_a_file_that_the_form_does_not_take_is_known_before_anything_is_sent() -> None:
    files = [file("small.txt", 104857600), file("large.log", 104857601)]

    with pytest.raises(
        InfrastructureError, match=r"files of 100\.0 MiB at most, not 'large\.log' \(100\.0 MiB\); raise"
    ):
        read().check(files, UNTIL - datetime.timedelta(minutes=1))


@pytest.mark.parametrize("name", ["a/b c.txt", "Zürich.txt", "semi;colon=x.txt", "per%20cent.txt", "apostrophe's.txt"])
def test_plain_names_can_be_sent_in_a_form(name: str) -> None:
    assert instructions.reason_against(name) is None


@pytest.mark.parametrize("name", ['quo"te.txt', "back\\slash.txt", "line\nline.txt", "\x1b[31m.txt", "\udcff.txt"])
def test_names_that_swift_would_take_for_others_are_not_sent(name: str) -> None:
    assert instructions.reason_against(name)
