from __future__ import annotations

import threading

import pytest
import requests
from swiftclient.exceptions import ClientException

from thcore.errors import CancelledError, InfrastructureError
from thplugins_publish_swift import crew, patience
from thplugins_publish_swift.patience import Patience


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_PAUSE_S", 0.001)


def nothing() -> None:
    pass


def failing(error: Exception, times: int) -> tuple[list[int], object]:
    calls: list[int] = []

    def work() -> str:
        calls.append(len(calls))
        if len(calls) <= times:
            raise error
        return "done"

    return calls, work


def test_what_the_network_or_a_server_failed_is_tried_again() -> None:
    for error in (
        requests.ConnectionError("away"),
        ConnectionResetError("cut"),
        ClientException("busy", http_status=503),
        ClientException("slow down", http_status=429),
    ):
        calls, work = failing(error, 2)

        assert Patience(2, nothing).persist("store it", work) == "done"  # type: ignore[arg-type]  # it answers text
        assert len(calls) == 3


def test_when_all_tries_have_failed_it_is_said_what_was_tried() -> None:
    calls, work = failing(ClientException("busy", http_status=503, http_response_content=b"<b>later</b>"), 9)

    with pytest.raises(
        InfrastructureError, match=r"cannot store it: Swift answered 503 \(later\): it has a fault of its own"
    ) as caught:
        Patience(2, nothing).persist("store it", work)  # type: ignore[arg-type]  # it answers text
    assert (len(calls), caught.value.code) == (3, "publish-failed")


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "check user, password and tenant"), (403, "access list"), (404, "no such container"), (413, "quota")],
)
def test_a_refusal_is_not_tried_again(status: int, words: str) -> None:
    calls, work = failing(ClientException("no", http_status=status), 9)

    with pytest.raises(InfrastructureError, match=words):
        Patience(5, nothing).persist("store it", work)  # type: ignore[arg-type]  # it answers text
    assert len(calls) == 1


def test_a_cancel_ends_the_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_PAUSE_S", 3600)
    monkeypatch.setattr(patience, "_LONGEST_PAUSE_S", 3600)
    monkeypatch.setattr(patience, "_LOOK_S", 0.001)
    looks: list[int] = []

    def check() -> None:
        looks.append(1)
        if len(looks) > 3:
            raise CancelledError("enough")

    _, work = failing(requests.ConnectionError("away"), 9)
    with pytest.raises(CancelledError):
        Patience(5, check).persist("store it", work)  # type: ignore[arg-type]  # it answers text


def test_parts_are_done_side_by_side_and_answered_in_their_order() -> None:
    barrier = threading.Barrier(3, timeout=30)

    def part(number: int) -> int:
        barrier.wait()
        return number

    answers = crew.all_done([lambda n=n: part(n) for n in range(3)], 3, Patience(0, nothing))  # type: ignore[misc]

    assert answers == [0, 1, 2]


def test_the_first_part_that_fails_ends_the_others_and_is_told() -> None:
    patient = Patience(9, nothing)
    started = threading.Event()
    done: list[int] = []

    def waits() -> None:
        started.set()
        patient.persist("store it", failing(requests.ConnectionError("away"), 10**9)[1])  # type: ignore[arg-type]

    def fails() -> None:
        started.wait(30)
        raise InfrastructureError("quota")

    with pytest.raises(InfrastructureError, match="quota"):
        crew.all_done([waits, fails, *[lambda: done.append(1)] * 50], 2, patient)
    assert len(done) < 50
