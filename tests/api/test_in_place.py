"""Without a state machine (`sam local start-api`): the same routes and answers, bought within the request."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from generate_image.records import Status
from tests.api.conftest import Start
from tests.api.http_client import HttpClient
from tests.module import fetch


@pytest.fixture
def api(start_api: Start) -> HttpClient:
    return start_api(in_place=True)


def test_a_picture_is_bought_once_and_found_again(api: HttpClient) -> None:
    first = api.post(key="order-1", nextModule="next", data={"prompt_image": "Un gato", "order": 4711})
    again = api.post(key="order-1", data={"prompt_image": "Un gato"})
    looked = api.get(first.image_id)

    assert (first.status, again.status, looked.status) == (200, 200, 200)
    assert [answer.body["_meta_"]["replayed"] for answer in (first, again, looked)] == [False, True, True]
    assert looked.body["data"]["order"] == 4711
    assert fetch(looked.link) == fetch(first.link)
    assert api.billed() == 1


def test_who_orders_what_another_call_is_buying_waits_for_it(api: HttpClient) -> None:
    api.stand_in.latency = 2

    with ThreadPoolExecutor() as threads:
        calls = [threads.submit(api.post, key="order-1") for _ in range(3)]
        answers = [call.result() for call in calls]

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert sorted(answer.body["_meta_"]["replayed"] for answer in answers) == [False, True, True]
    assert api.billed() == 1


def test_what_another_call_is_still_buying_is_pending(api: HttpClient) -> None:
    record = api.leave_record("order-1", Status.STARTED, held=True)

    pending = api.post(key="order-1", prefer="wait=1")

    assert (pending.status, pending.body) == (202, {"image_id": record.image_id, "status": "started"})


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("moderation_blocked", 422, "ContentRejectedError"),
        ("insufficient_quota", 503, "QuotaExhaustedError"),
        ("closed_after_billing", 504, "OutcomeUnknownError"),
    ],
)
def test_an_error_is_a_problem(api: HttpClient, fault: str, status: int, code: str) -> None:
    api.stand_in.script(fault)

    answer = api.post(key="order-1")

    assert (answer.status, answer.body["code"]) == (status, code)


def test_a_key_reused_with_another_body_is_refused(api: HttpClient) -> None:
    api.post("Un faro", key="order-1")

    assert api.post("Un gato", key="order-1").body["code"] == "IdempotencyKeyReusedError"
    assert api.get(api.image_id("order-2")).body["code"] == "ImageNotFoundError"
