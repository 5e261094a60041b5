"""A picture takes longer than the caller waits: a place to look, never a lost purchase, never a second one."""

from threading import Event
from typing import Any

from generate_image.errors import QuotaExhaustedError
from local.lambda_context import LocalContext
from tests.api.conftest import Start
from tests.api.http_client import HttpClient
from tests.module import fetch

PNG = b"\x89PNG\r\n\x1a\n"
SLOW_SECONDS = 2.5  # a caller that waits for one second gives up before


def test_a_slow_picture_is_pending_and_then_there_and_billed_once(api: HttpClient) -> None:
    api.stand_in.latency = SLOW_SECONDS

    pending = api.post(key="order-1", prefer="wait=1")

    assert pending.status == 202
    assert pending.headers["Location"] == f"/clients/1/images/{pending.image_id}"
    assert pending.headers["Preference-Applied"] == "wait=1"
    assert int(pending.headers["Retry-After"]) >= 1
    assert pending.body["status"] == "started"
    assert api.get(pending.image_id).status == 202
    there = api.wait_for(pending.image_id)
    assert there.status == 200
    assert fetch(there.link).startswith(PNG)
    assert api.billed() == 1


def test_the_same_order_during_and_after_is_the_same_picture(api: HttpClient) -> None:
    api.stand_in.latency = SLOW_SECONDS

    first = api.post(key="order-1", prefer="wait=0")
    during = api.post(key="order-1", prefer="wait=1")
    joined = api.post(key="order-1")
    after = api.post(key="order-1")

    assert (first.status, during.status, joined.status, after.status) == (202, 202, 200, 200)
    assert len({answer.image_id for answer in (first, during, joined, after)}) == 1
    assert after.body["_meta_"]["replayed"] is True
    assert fetch(after.link) == fetch(joined.link)
    assert api.billed() == 1


def test_respond_async_does_not_wait(api: HttpClient) -> None:
    api.stand_in.latency = SLOW_SECONDS

    pending = api.post(prefer="respond-async")

    assert pending.status == 202
    assert pending.headers["Preference-Applied"] == "respond-async"
    assert api.billed() == 0
    assert api.wait_for(pending.image_id).status == 200


def test_respond_async_with_a_wait_waits_so_long_first(api: HttpClient) -> None:
    answer = api.post(prefer="respond-async, wait=20")

    assert answer.status == 200
    assert answer.headers["Preference-Applied"] == "respond-async, wait=20"


def test_respond_async_for_a_picture_that_is_there_gives_the_picture(api: HttpClient) -> None:
    api.post(key="order-1")

    assert api.post(key="order-1", prefer="respond-async").status == 200


def test_who_waits_gets_the_module_s_answer(api: HttpClient) -> None:
    data = {"prompt_image": "Un gato", "prompt": "not used", "order": {"number": 4711}, "urlPath": "replaced"}

    answer = api.post(key="order-1", nextModule="next", data=data)
    again = api.get(answer.image_id)
    other_data = api.post(key="order-1", data={"prompt_image": "Un gato", "order": 2})

    assert answer.body["nextModule"] == "next"
    assert answer.body["data"]["order"] == {"number": 4711}
    assert answer.body["data"]["urlPath"].startswith("http")
    assert answer.body["_meta_"]["replayed"] is False
    assert again.body["nextModule"] == "next"
    assert again.body["data"] | {"imageUrl": "", "urlPath": ""} == answer.body["data"] | {"imageUrl": "", "urlPath": ""}
    assert again.body["_meta_"]["replayed"] is True
    assert other_data.body["data"]["order"] == 2  # what comes back is the caller's own, as in a direct call
    assert api.billed() == 1


def test_a_key_reused_with_another_body_is_refused_before_anything_starts(api: HttpClient) -> None:
    api.post("Un faro", key="order-1")

    refused = api.post("Un gato", key="order-1")

    assert (refused.status, refused.body["code"]) == (422, "IdempotencyKeyReusedError")
    assert api.billed() == 1


def test_before_there_is_a_record_the_running_execution_binds_the_key(start_api: Start) -> None:
    asked, may_end = Event(), Event()

    def buys(_event: object, _context: LocalContext) -> dict[str, Any]:
        asked.set()
        may_end.wait(30)
        raise QuotaExhaustedError("No money is left.")

    api = start_api(buys=buys)
    api.post("Un faro", key="order-1", prefer="respond-async")
    asked.wait(30)

    refused = api.post("Un gato", key="order-1", prefer="respond-async")
    joined = api.post("Un faro", key="order-1", prefer="respond-async", nextModule="other")
    may_end.set()

    assert (refused.status, refused.body["code"]) == (422, "IdempotencyKeyReusedError")
    assert (joined.status, joined.body["status"]) == (202, "queued")
    assert api.wait_for(joined.image_id).body["code"] == "QuotaExhaustedError"
    assert api.attempts(joined.image_id) == 1


def test_a_picture_by_url_is_there_too(start_api: Start) -> None:
    api = start_api(IMAGE_MODELS="dall-e-3")
    api.stand_in.dall_e_3 = True

    answer = api.post(key="order-1")

    assert answer.status == 200
    assert answer.body["data"]["imageUrl"] != answer.body["data"]["urlPath"]
    assert api.get(answer.image_id).body["data"]["imageUrl"] == answer.body["data"]["imageUrl"]
    assert fetch(answer.link).startswith(PNG)
