"""The lease: what each record means for a request that wants to buy."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from generate_image.errors import (
    ContentRejectedError,
    GenerateImageError,
    IdempotencyKeyReusedError,
    OutcomeUnknownError,
    RequestInProgressError,
)
from generate_image.lease import Leases
from generate_image.picture import BoughtPicture, StoredPicture
from generate_image.record import Record, Status
from generate_image.settings import WhenOutcomeUnknown
from generate_image.state import CLOCK_SKEW_SECONDS
from tests.proof.faults import Kind
from tests.unit.stores import Stores

OWN = "own"
EXPIRED = -CLOCK_SKEW_SECONDS
BATCH = 25 * 3600.0
BOUGHT = BoughtPicture("dall-e-3", source_url="https://provider/picture")
STORED = StoredPicture("temporal/cli_1/id.png", "image/png", 1_800_000_000)
REJECTED = ContentRejectedError("Rejected.", categories=["violence"])
UNKNOWN = OutcomeUnknownError("Unknown.")


def leases_of(stores: Stores, unknown: WhenOutcomeUnknown = "fail") -> Leases:
    return Leases(stores.records, stores.find_stored, stores.log, stores.deadline, unknown)


def store_picture(stores: Stores, request_hash: str = "hash", key: str = STORED.key) -> None:
    metadata = {"request-hash": request_hash, "model": "dall-e-3"}
    stores.s3.put_object(Bucket="bucket", Key=key, Body=b"", ContentType="image/png", Metadata=metadata)


Fields = dict[str, Any]
STARTED: Fields = {"status": Status.STARTED}
GENERATED: Fields = {"status": Status.GENERATED, "bought": BOUGHT}
STORED_FIELDS: Fields = {"status": Status.STORED, "bought": BOUGHT, "stored": STORED}
FAILED: Fields = {"status": Status.FAILED}
CASES: Mapping[str, tuple[Fields | None, float, bool, Status | GenerateImageError]] = {
    # name: the record in S3, the seconds that its lease has left, whether the picture is in S3, the result
    "no record": (None, 0, False, Status.STARTED),
    "nothing was billed": ({"status": Status.RELEASED}, 60, False, Status.STARTED),
    "its lifetime is over": (STORED_FIELDS, 60, False, Status.STARTED),
    "in progress": (STARTED, 60, False, RequestInProgressError("Another invocation", retry_after=10)),
    "ends soon": (STARTED, 5, False, RequestInProgressError("Another invocation", retry_after=5)),
    "within the skew": (STARTED, EXPIRED + 0.1, False, RequestInProgressError("Another invocation", retry_after=1)),
    "invocation's longest": (STARTED, 905, False, RequestInProgressError("Another invocation", retry_after=10)),
    "longer than an invocation": (STARTED, 905.5, False, RequestInProgressError("A batch", retry_after=300)),
    "batch": (STARTED, BATCH, False, RequestInProgressError("ends by 2027-01-16T09:00:00Z", retry_after=300)),
    "download in progress": (GENERATED, 60, False, RequestInProgressError("Another", retry_after=10)),
    "bought": (GENERATED, EXPIRED, False, Status.GENERATED),
    "bought and stored": (GENERATED, EXPIRED, True, Status.STORED),
    "stored": (STORED_FIELDS, 60, True, Status.STORED),
    "expired and stored": (STARTED, EXPIRED, True, Status.STORED),
    "expired": (STARTED, EXPIRED, False, OutcomeUnknownError("ended without a result")),
    "failed": (FAILED | {"error": REJECTED}, EXPIRED, True, REJECTED),
    "unknown": (FAILED | {"error": UNKNOWN}, 60, False, UNKNOWN),
    "unknown and stored": (FAILED | {"error": UNKNOWN}, 60, True, Status.STORED),
    "own write": (STARTED | {"holder": OWN}, EXPIRED - 60, False, Status.STARTED),
    "own premature failure": (FAILED | {"error": UNKNOWN, "holder": OWN}, 60, False, Status.STARTED),
}
FREE = {"no record", "nothing was billed", "its lifetime is over"}


def arrange(stores: Stores, name: str) -> tuple[Fields, Status | GenerateImageError]:
    """Arrange a case. Return the fields of its record, and its result."""
    fields, left, is_stored, result = CASES[name]
    if fields is not None:
        stores.existing(stores.new(lease_until=stores.clock.now + left, **fields))
    if is_stored:
        store_picture(stores)
    return fields or {}, result


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("method", ["acquire", "current"])
def test_record_decides_what_a_request_gets(stores: Stores, name: str, method: str) -> None:
    fields, result = arrange(stores, name)
    new = stores.new(holder=OWN)
    call: Callable[[Record], Any] = getattr(leases_of(stores), method)
    if isinstance(result, GenerateImageError):
        with pytest.raises(type(result), match=result.message) as raised:
            call(new)
        assert raised.value.to_dict() | {"message": ""} == result.to_dict() | {"message": ""}
        if isinstance(result, OutcomeUnknownError):
            saved = stores.saved()
            assert saved is not None
            assert (saved.status, type(saved.error)) == (Status.FAILED, OutcomeUnknownError)
    elif method == "current" and result is Status.STARTED:
        assert call(new) is None
    else:
        found = call(new)
        assert found == stores.saved()
        assert found.status is result
        if result is not Status.STARTED and "bought" in fields:
            assert found.bought == BOUGHT
        if method == "acquire" and result is not Status.STORED:
            assert (found.holder, found.lease_until) == (OWN, new.lease_until)


@pytest.mark.parametrize("name", CASES)
def test_key_of_another_request_is_refused(stores: Stores, name: str) -> None:
    arrange(stores, name)
    new = stores.new(holder=OWN, request_hash="another")
    if name in FREE:
        assert leases_of(stores).acquire(new) == stores.saved()
    else:
        with pytest.raises(IdempotencyKeyReusedError):
            leases_of(stores).acquire(new)


@pytest.mark.parametrize("fields", [STARTED, FAILED | {"error": UNKNOWN}])
def test_buy_again_lets_one_retry_buy(stores: Stores, fields: Fields) -> None:
    stores.existing(stores.new(lease_until=stores.clock.now + EXPIRED, **fields))
    assert leases_of(stores, "buy-again").acquire(stores.new(holder=OWN)).holder == OWN
    with pytest.raises(RequestInProgressError):
        leases_of(stores, "buy-again").acquire(stores.new())


def test_picture_without_a_record_has_its_facts(stores: Stores) -> None:
    """The invocation ended between the picture and its record. A file of another request has the same name."""
    stores.existing(stores.new(lease_until=stores.clock.now + EXPIRED))
    store_picture(stores, "another")
    store_picture(stores, key="temporal/cli_1/id.jpg")
    stores.clock.pass_by(600)
    found = leases_of(stores).acquire(stores.new())
    assert found.stored == StoredPicture("temporal/cli_1/id.jpg", "image/jpeg", stores.clock.now - 600)
    assert found.bought == BoughtPicture("dall-e-3", cost_usd=0.04)


def test_one_retry_takes_over_a_bought_picture(stores: Stores) -> None:
    bought = stores.existing(stores.new(lease_until=0.0, **GENERATED))
    new = stores.new()
    taken = leases_of(stores).take_over(bought, new)
    assert taken == stores.saved() == bought._replace(holder=new.holder, lease_until=new.lease_until, etag=taken.etag)
    with pytest.raises(RequestInProgressError) as raised:
        leases_of(stores).take_over(bought, stores.new())
    assert raised.value.retry_after == 1


@pytest.mark.parametrize("fault", [Kind.ERROR, None])
def test_save_is_logged_if_it_fails_and_ignored(stores: Stores, fault: Kind | None) -> None:
    """A replay reaches the same state. Without a fault, another invocation has changed the record."""
    record = leases_of(stores).acquire(stores.new())
    if fault is None:
        stores.records.write(record._replace(status=Status.FAILED, error=UNKNOWN), replacing=record)
    stores.s3.writes = [fault]
    stored = record._replace(status=Status.STORED, bought=BOUGHT, stored=STORED)
    assert leases_of(stores).save(stored, replacing=record) == stored
    assert ("record not written" in stores.logged.getvalue()) == (fault is Kind.ERROR)
