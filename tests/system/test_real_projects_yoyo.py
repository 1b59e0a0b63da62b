"""A real project that migrates itself with yoyo: CypherpunkPay, from 1.0.0 to 1.0.11 with its charges in place."""

from __future__ import annotations

from typing import Any

import pytest

from parts.real_projects import CYPHERPUNKPAY

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(600)]

CHARGES = 20_000
ROWS = f"""\
WITH RECURSIVE seq(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM seq WHERE n < {CHARGES})
INSERT INTO charges (uid, time_to_pay_ms, time_to_complete_ms, total, currency, pay_status, status, cc_received_total,
  payment_completed_url_called_at, created_at, updated_at)
  SELECT 'charge-' || n, 900000, 86400000, n, 'usd', 'paid', 'completed', n, '2021-06-20 10:00:00',
  '2021-06-20 09:00:00', '2021-06-20 10:00:00' FROM seq;
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a build of the change says."""
    root = tmp_path_factory.mktemp("payments")
    CYPHERPUNKPAY.make_repository(root / "origin")
    source = root / "source"
    source.mkdir()
    (source / "empty.sql").write_text("-- The target branch makes the tables.\n")
    dataset = root / "datasets" / "charges"
    CYPHERPUNKPAY.make_dataset(source, dataset)
    (dataset / "rows.sql").write_text(ROWS)
    return CYPHERPUNKPAY.judged(root, "payments")


def test_cypherpunkpay_takes_its_charges_through_the_migrations_of_five_releases(result: dict[str, Any]) -> None:
    assert result["verdict"] == "SUCCESS", result["findings"]
    (dataset,) = result["datasets"]
    assert dataset["tool"] == "yoyo"
    walked = [step["step"]["version"][:11] for step in dataset["steps"] if step["leg"] == "main"]
    made = ["20200805_01", "20200805_02", "20200805_03", "20200805_04", "20210614_05"]
    assert sorted(walked) == [*made, "__init__"], "the package of the migrations is one for yoyo as well"
    judged = [step for step in dataset["steps"] if step["added"]]
    assert [step["step"]["version"] for step in judged] == [
        "20210629_01_W6beI-add-column-charges-cc-lightning-payment-request",
        "20211227_01_uF3tk-add-columns-charges-beneficiary-what-for",
        "20211231_01_xw0BB-rename-column-charges-payment-completed-url-called-at",
    ]
    assert all(step["result"] == "ok" for step in judged)
    assert not any(step["losses"] for step in judged), "a column that is renamed is not lost"
