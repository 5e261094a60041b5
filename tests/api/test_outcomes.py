"""What is told of a picture, by the state that its record and its execution were left in."""

import hashlib
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from generate_image.errors import BY_CODE
from generate_image.picture_details import to_metadata
from generate_image.records import Status
from generate_image.storage import object_key
from local.account import BUCKET
from local.step_functions_gaps import InvocationError
from tests.api.conftest import Start
from tests.api.http_client import PROBLEM, Answer, HttpClient
from tests.module import fetch

BUYING = BY_CODE.keys() - {"ImageNotFoundError"}  # which is the HTTP API's alone
PICTURE = {"model": "gpt-image-2", "openai_request_id": "req_1"}


def assert_problem(answer: Answer, code: str) -> None:
    error = BY_CODE[code]
    assert (answer.status, answer.body["code"], answer.body["retryable"]) == (error.status, code, error.retryable)
    assert answer.headers["Content-Type"] == PROBLEM
    assert ("Retry-After" in answer.headers) == error.retryable


def raises(error: Exception) -> Callable[[Any, Any], Any]:
    def function(_event: object, _context: object) -> None:
        raise error

    return function


@pytest.mark.parametrize("code", sorted(BUYING - {"OutcomeUnknownError"}))
def test_a_recorded_error_is_told_to_whoever_asks_again(api: HttpClient, code: str) -> None:
    details: dict[str, Any] = {"retry_after": 12.3} if BY_CODE[code].retryable else {}
    error = BY_CODE[code]("It failed.", categories=["violence"], provider_request_id="req_1", **details)
    record = api.leave_record("order-1", Status.FAILED, error=error.to_dict())

    for answer in (api.get(record.image_id), api.post(key="order-1")):
        assert_problem(answer, code)
        assert answer.body["detail"] == "It failed."
        assert (answer.body["categories"], answer.body["provider_request_id"]) == (["violence"], "req_1")
        assert answer.body["instance"] == f"/clients/1/images/{record.image_id}"
        assert answer.headers.get("Retry-After") == ("13" if details else None)
    assert api.attempts(record.image_id) == 0


@pytest.mark.parametrize("code", sorted(BUYING))
def test_an_execution_s_error_is_told_where_there_is_no_record(start_api: Start, code: str) -> None:
    """The machine waits out what passes; what is told is what it gave up with."""
    api = start_api(buys=raises(BY_CODE[code]("It failed.", provider_request_id="req_1")))

    answer = api.post(key="order-1")

    assert_problem(answer, code)
    assert (answer.body["detail"], answer.body["provider_request_id"]) == ("It failed.", "req_1")
    assert_problem(api.get(api.image_id("order-1")), code)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvocationError("Lambda.TooManyRequestsException"), "StorageError"),
        (InvocationError("Lambda.ServiceException"), "StorageError"),
        (InvocationError("Lambda.Unknown", "the prompt was: Un faro al atardecer"), "ConfigurationError"),
        (InvocationError("Runtime.ImportModuleError"), "ConfigurationError"),
        (KeyError("Un faro al atardecer"), "ConfigurationError"),
    ],
)
def test_an_error_that_is_none_of_ours_becomes_one(start_api: Start, error: Exception, code: str) -> None:
    api = start_api(buys=raises(error))

    answer = api.post(key="order-1")

    assert_problem(answer, code)
    assert "Un faro" not in answer.body["detail"]


def test_a_stopped_execution_is_told_as_a_problem(start_api: Start) -> None:
    may_end = Event()

    def buys(_event: object, _context: object) -> None:
        may_end.wait(30)

    api = start_api(buys=buys)
    image_id = api.image_id("order-1")
    step_functions = api.account.session().client("stepfunctions", endpoint_url=api.account.endpoint)
    [machine] = step_functions.list_state_machines()["stateMachines"]
    api.post(key="order-1", prefer="respond-async")
    step_functions.stop_execution(
        executionArn=f"{machine['stateMachineArn'].replace(':stateMachine:', ':execution:')}:{image_id}"
    )

    may_end.set()

    assert_problem(api.wait_for(image_id), "ConfigurationError")


@pytest.mark.parametrize("status", [Status.STARTED, Status.GENERATED])
def test_a_record_that_a_call_holds_is_pending(api: HttpClient, status: Status) -> None:
    record = api.leave_record("order-1", status, held=True, picture=PICTURE)

    for answer in (api.get(record.image_id), api.post(key="order-1", prefer="wait=1")):
        assert (answer.status, answer.body) == (202, {"image_id": record.image_id, "status": status})
    assert api.attempts(record.image_id) == 0


def test_a_call_that_ended_without_a_word_leaves_an_unknown_outcome(api: HttpClient) -> None:
    record = api.leave_record("order-1", Status.STARTED)

    assert_problem(api.get(record.image_id), "OutcomeUnknownError")
    assert_problem(api.post(key="order-1"), "OutcomeUnknownError")
    assert_problem(api.get(record.image_id), "OutcomeUnknownError")
    assert api.billed() == 0


@pytest.mark.parametrize("failed", [True, False])
def test_a_picture_that_reached_s3_after_all_is_told(api: HttpClient, *, failed: bool) -> None:
    error = BY_CODE["OutcomeUnknownError"]("It may have been billed.").to_dict() if failed else {}
    record = api.leave_record("order-1", Status.FAILED if failed else Status.STARTED, error=error)
    key = object_key("1", record.image_id, ".png")
    api.s3.put_object(Bucket=BUCKET, Key=key, Body=b"picture", Metadata=to_metadata(record.request_hash, PICTURE))

    looked = api.get(record.image_id)
    ordered = api.post(key="order-1")

    for answer in (looked, ordered):
        assert answer.status == 200
        assert fetch(answer.link) == b"picture"
        assert answer.body["_meta_"]["model"] == "gpt-image-2"
        assert answer.body["_meta_"]["replayed"] is True
    assert api.billed() == 0


def test_an_operator_may_have_an_unknown_outcome_bought_again(start_api: Start) -> None:
    api = start_api(WHEN_OUTCOME_UNKNOWN="buy-again")
    error = BY_CODE["OutcomeUnknownError"]("It may have been billed.").to_dict()
    record = api.leave_record("order-1", Status.FAILED, error=error)

    assert_problem(api.get(record.image_id), "OutcomeUnknownError")
    assert api.post(key="order-1").status == 200
    assert api.billed() == 1


def test_a_picture_that_was_bought_and_not_fetched_can_be_asked_for_again(api: HttpClient) -> None:
    record = api.leave_record(
        "order-1", Status.GENERATED, picture=PICTURE | {"source_url": "https://127.0.0.1:1/x.png"}
    )

    assert_problem(api.get(record.image_id), "DownloadError")
    assert_problem(api.post(key="order-1"), "DownloadError")
    assert api.billed() == 0


def test_a_released_record_of_a_direct_call_is_no_picture_and_can_be_ordered(api: HttpClient) -> None:
    record = api.leave_record("order-1", Status.RELEASED)

    assert_problem(api.get(record.image_id), "ImageNotFoundError")
    assert api.post(key="order-1").status == 200
    assert api.get(record.image_id).status == 200


def test_the_key_of_a_released_record_is_free_for_any_request(api: HttpClient) -> None:
    """What mends the cause, such as another model in IMAGE_MODELS, may be what makes it another request."""
    api.leave_record("order-1", Status.RELEASED, prompt="Un gato")

    assert api.post("Un faro", key="order-1").status == 200
    assert api.billed() == 1


def test_a_key_whose_models_were_all_retired_buys_once_they_are_mended(start_api: Start) -> None:
    refused = start_api(IMAGE_MODELS="gpt-image-1").post(key="order-1")
    mended = start_api(IMAGE_MODELS="gpt-image-2").post(key="order-1")

    assert_problem(refused, "ModelUnavailableError")
    assert mended.status == 200
    assert mended.body["_meta_"]["model"] == "gpt-image-2"


def test_a_picture_whose_lifetime_is_over_is_gone_and_its_key_new(api: HttpClient) -> None:
    first = api.post("Un faro", key="order-1")
    api.s3.delete_object(Bucket=BUCKET, Key=first.body["_meta_"]["key"])

    gone = api.get(first.image_id)
    again = api.post("Un gato", key="order-1")

    assert_problem(gone, "ImageNotFoundError")
    assert again.status == 200
    assert again.body["_meta_"]["replayed"] is False
    assert api.get(first.image_id).status == 200
    assert api.billed() == 2


def test_a_picture_that_is_gone_with_its_record_is_gone(api: HttpClient) -> None:
    first = api.post(key="order-1")
    for item in api.s3.list_objects_v2(Bucket=BUCKET)["Contents"]:
        api.s3.delete_object(Bucket=BUCKET, Key=item["Key"])

    assert_problem(api.get(first.image_id), "ImageNotFoundError")
    assert api.post(key="order-1").status == 200


def test_nothing_is_known_of_a_picture_that_nobody_ordered(api: HttpClient) -> None:
    assert_problem(api.get(api.image_id("order-1")), "ImageNotFoundError")


def test_a_link_is_fresh_each_time(api: HttpClient) -> None:
    first = api.post(key="order-1")

    again = api.get(first.image_id)

    content = fetch(again.link)
    assert hashlib.sha256(content).hexdigest() == api.stand_in.ledger()["last_picture_sha256"]
    assert again.headers["Content-Location"] == f"/clients/1/images/{first.image_id}"
    assert again.headers["Cache-Control"] == "no-store"
