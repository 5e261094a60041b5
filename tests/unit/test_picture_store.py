"""The conditional write of a picture, its retries, and the search for it."""

from datetime import UTC, datetime
from io import BytesIO

import pytest

from generate_image.aws.pictures import ATTEMPTS
from generate_image.errors import ConfigurationError, StorageError
from generate_image.picture import BoughtPicture, StoredPicture, Usage, end_of_lifetime
from tests.memory_s3 import run_late
from tests.proof.faults import Kind
from tests.unit.stores import Stores

STORED = StoredPicture("temporal/cli_1/id.png", "image/png", 1_800_000_000, "absent")
BOUGHT = BoughtPicture("gpt-image-2", "req_1", Usage(1, 2, 3), 0.01, "https://provider/secret", "batch")


def put(stores: Stores, content: bytes = b"new", bought: BoughtPicture = BOUGHT) -> None:
    stores.pictures.put(STORED, bought, "hash", BytesIO(content))


@pytest.mark.parametrize(
    ("stored", "bought"),
    [
        (STORED, BOUGHT),
        (StoredPicture("temporal/cli_1/id.jpg", "image/jpeg", 1_800_000_000), BoughtPicture("dall-e-3")),
    ],
)
def test_stored_picture_is_found_with_its_facts(stores: Stores, stored: StoredPicture, bought: BoughtPicture) -> None:
    """A holder of a link sees the metadata. A cache's copy must not outlive the picture."""
    stores.pictures.put(stored, bought, "hash", BytesIO(b""))
    stores.clock.pass_by(1000)
    assert stores.pictures.find("1", "id", "hash") == (stored, bought._replace(cost_usd=None, source_url=None))
    assert stores.pictures.find("1", "id", "another hash") is None
    assert stores.pictures.find("2", "id", "hash") is None
    [(key, found)] = stores.s3.objects.items()
    assert (key, found.content_type) == (stored.key, stored.content_type)
    assert "secret" not in str(found.metadata)
    assert found.expires == datetime.fromtimestamp(end_of_lifetime(stored.stored_at, 7), UTC)
    assert stores.pictures.exists(key)
    assert not stores.pictures.exists("temporal/cli_1/id.webp")


@pytest.mark.parametrize(
    ("writes", "passed", "error", "puts"),
    [
        ([Kind.ERROR] * (ATTEMPTS - 1), 0, None, ATTEMPTS),
        ([Kind.LOST], 0, None, 2),
        ([Kind.CONFLICT] * (ATTEMPTS - 1), 0, None, ATTEMPTS),
        ([Kind.ERROR] * ATTEMPTS, 0, StorageError, ATTEMPTS),
        ([Kind.CONFLICT] * ATTEMPTS, 0, StorageError, ATTEMPTS),
        ([Kind.ERROR], 59.5, StorageError, 1),  # no retry after the deadline
        ([Kind.DENIED], 0, ConfigurationError, 1),
    ],
)
def test_failed_write_is_repeated_while_time_is_left(
    stores: Stores, writes: list[Kind | None], passed: float, error: type[Exception] | None, puts: int
) -> None:
    stores.s3.writes = writes
    stores.clock.pass_by(passed)
    if error:
        with pytest.raises(error, match="The picture was bought"):
            put(stores)
    else:
        put(stores)
        assert stores.s3.objects[STORED.key].body == b"new"
    assert stores.s3.puts == puts
    assert stores.waits == [1.0, 2.0][: puts - 1]


@pytest.mark.parametrize("is_late", [False, True])
def test_picture_replaces_an_earlier_one_that_may_be_late(stores: Stores, *, is_late: bool) -> None:
    if is_late:
        stores.s3.writes = [Kind.LATE] * ATTEMPTS
        with pytest.raises(StorageError):
            put(stores, b"old")
    else:
        put(stores, b"old", BOUGHT._replace(openai_request_id="req_0"))
    put(stores, b"new")
    run_late(stores.s3.late)
    assert stores.s3.objects[STORED.key].body == b"new"
