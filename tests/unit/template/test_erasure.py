"""The erasure procedure of docs/operations.md keeps the key closed and removes the prompt."""

import json
import re
from pathlib import Path

from generate_image.errors import ContentRejectedError
from generate_image.lease import Failed, state_of
from generate_image.picture import BoughtPicture, StoredPicture
from generate_image.record import Record, Status

PAGE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text("utf-8")
RECORD = Record(
    status=Status.STORED,
    client_id="1",
    image_id="0f5c8a1e-3b1d-51ef-9a52-0a1b2c3d4e5f",
    request_hash="hash",
    holder="invocation",
    lease_until=0.0,
    prompt="a person's name",
    passed_through={"data": {"email": "person@example.com"}},
    bought=BoughtPicture("gpt-image-2", source_url="https://provider.example/picture"),
    stored=StoredPicture("temporal/cli_1/0f5c.png", "image/png", 0.0),
    error=None,
    etag="etag",
)


def test_erased_record_ends_every_retry() -> None:
    [merged] = re.findall(r"^jq '\. \+ (\{.*?\})' record\.json > erased\.json$", PAGE, re.MULTILINE | re.DOTALL)
    content = json.dumps(json.loads(RECORD.to_json()) | json.loads(merged))

    erased = Record.from_json(content.encode(), "etag")
    state = state_of(erased, 1.0, lambda _: None)

    assert isinstance(state, Failed)
    assert isinstance(state.error, ContentRejectedError)
    assert (erased.key, erased.request_hash) == (RECORD.key, RECORD.request_hash)
    assert not re.search("person|provider.example", content)
