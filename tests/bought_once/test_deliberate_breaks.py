"""The checker of every schedule can fail: each rule of the protocol, broken on purpose, is caught by it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from generate_image.claims import Claims
from generate_image.credentials import Credentials
from generate_image.deadline import Deadline
from generate_image.errors import GenerateImageError, OutcomeUnknownError, ProviderUnavailableError
from generate_image.handler import Handler
from generate_image.openai_images import ImagesApi, Purchase
from generate_image.records import Record, Records, Status
from generate_image.storage import PictureStore, StoredPicture
from tests.bought_once.provider import CountingProvider
from tests.bought_once.schedules import check


@pytest.fixture(scope="module")
def provider() -> Iterator[CountingProvider]:
    with CountingProvider() as provider:
        yield provider


class ClaimsAfterBuying(Claims):
    """Looks first, buys, and claims when there is something to claim."""

    def take(self, claim: Record, deadline: Deadline) -> Record:
        if self._records.read(claim.client_id, claim.image_id, deadline) is None:
            return claim
        return super().take(claim, deadline)

    def settle(self, record: Record, over: Record, deadline: Deadline) -> Record:
        if not over.etag:
            over = self._records.write(over, deadline)
        return super().settle(record, over, deadline)


class TriesAgainAfterSilence(ImagesApi):
    """Takes no answer for no purchase."""

    def _buy_once(self, model: str, prompt: str, credentials: Credentials, deadline: Deadline) -> Purchase:
        try:
            return super()._buy_once(model, prompt, credentials, deadline)
        except OutcomeUnknownError as error:
            raise ProviderUnavailableError("No answer came.") from error


class ReleasesTheUnknown(Claims):
    """Lets the key be used again, because no picture came."""

    def fail(self, error: GenerateImageError, over: Record, deadline: Deadline) -> None:
        if isinstance(error, OutcomeUnknownError):
            self.release(over, deadline)
        else:
            super().fail(error, over, deadline)


class TakesOverTheDead(Claims):
    """Buys for a call that ended without a word."""

    def _after_unknown(self, record: Record, error: OutcomeUnknownError, deadline: Deadline) -> Record | None:  # noqa: ARG002  # as it is called
        return None


class LooksNowhere(PictureStore):
    """Gives a picture up whose record was not finished."""

    def find(self, client_id: str, image_id: str, deadline: Deadline) -> StoredPicture | None:  # noqa: ARG002  # as it is called
        return None


class WritesWithoutCondition(Records):
    """Overwrites whatever lies there."""

    def _put(self, record: Record, over: Record | None) -> str:  # noqa: ARG002  # as it is called
        response = self._client.put_object(
            Bucket=self._bucket, Key=record.key, Body=record.to_json(), ContentType="application/json"
        )
        return response["ETag"]


class KeepsNoUrl(Claims):
    """Records a picture that the provider gave by URL only when it is stored."""

    def settle(self, record: Record, over: Record, deadline: Deadline) -> Record:
        if record.status is Status.GENERATED:
            return replace(record, etag=over.etag)
        return super().settle(record, over, deadline)


class WaitsForEver(Claims):
    """Believes that whoever claimed is still at work."""

    def _after_unknown(self, record: Record, error: OutcomeUnknownError, deadline: Deadline) -> Record | None:  # noqa: ARG002  # as it is called
        raise error


class CatchesDeath(PictureStore):
    """Goes on after an exception that ends the function."""

    def put(self, picture: StoredPicture, content: Any, deadline: Deadline) -> None:  # noqa: ANN401  # as it is given
        try:
            super().put(picture, content, deadline)
        except BaseException:  # noqa: BLE001  # the fault itself
            return


def _with(part: str, broken: type[Any], *shared: str) -> Callable[[Handler], None]:
    """Return what puts a broken part, with the state of the true one, into a handler; also into ``shared`` parts."""

    def change(handler: Handler) -> None:
        true = getattr(handler._generation, part)
        made = object.__new__(broken)
        made.__dict__.update(vars(true))
        handler._generation = replace(handler._generation, **{part: made})
        for name in shared:
            setattr(handler._generation.claims, name, made)

    return change


def _with_records(broken: type[Records]) -> Callable[[Handler], None]:
    def change(handler: Handler) -> None:
        claims = handler._generation.claims
        made = object.__new__(broken)
        made.__dict__.update(vars(claims._records))
        claims._records = made

    return change


BREAKS: Mapping[str, tuple[Callable[[Handler], None], bool, str]] = {
    "claims after buying": (_with("claims", ClaimsAfterBuying), False, "billed 2 times"),
    "tries again after silence": (_with("images", TriesAgainAfterSilence), False, "billed 2 times"),
    "releases the unknown": (_with("claims", ReleasesTheUnknown), False, "billed 2 times"),
    "takes over the dead": (_with("claims", TakesOverTheDead), False, "billed 2 times"),
    "writes without a condition": (_with_records(WritesWithoutCondition), False, "billed"),
    "looks nowhere": (_with("pictures", LooksNowhere, "_pictures"), False, "was in S3, and was not found"),
    "keeps no URL": (_with("claims", KeepsNoUrl), True, "was known, and was lost"),
    "waits for ever": (_with("claims", WaitsForEver), False, "the record is left started"),
    "catches death": (_with("pictures", CatchesDeath), False, "went on after its death"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_rule_is_caught(name: str, provider: CountingProvider) -> None:
    change, by_url, expected = BREAKS[name]
    report = check(provider, by_url=by_url, pairs=False, change=change)
    assert [violation for violation in report.violations if expected in violation]


@pytest.mark.parametrize("by_url", [False, True], ids=["base64", "url"])
def test_the_true_rules_are_not(by_url: bool, provider: CountingProvider) -> None:  # noqa: FBT001
    assert check(provider, by_url=by_url, pairs=False).violations == []
