"""The stand-in satisfies the official SDK, and its ledger shows its bills."""

import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from hashlib import sha256
from http.client import HTTPConnection
from io import BytesIO
from threading import Event
from typing import Any

import openai
import pytest
import requests
from PIL import Image

from local.openai_stand_in import StandIn

MODEL = "gpt-image-2.6-flare"
PROMPT = "a quiet lake"
KEY = sha256(PROMPT.encode()).hexdigest()[:16]

Post = Callable[..., requests.Response]


@pytest.fixture
def client(stand_in: StandIn) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=stand_in.base_url, api_key=stand_in.api_key, max_retries=0, timeout=30) as opened:
        yield opened


@pytest.fixture
def post(stand_in: StandIn) -> Post:
    """Send a request for a picture; a parameter that is `...` is left out."""

    def send(**parameters: object) -> requests.Response:
        document = {"model": MODEL, "prompt": PROMPT, **parameters}
        return requests.post(
            f"{stand_in.base_url}/images/generations",
            json={name: value for name, value in document.items() if value is not ...},
            headers={"Authorization": f"Bearer {stand_in.api_key}"},
            timeout=30,
        )

    return send


@pytest.mark.parametrize(
    ("model", "size", "quality", "tokens"),
    [
        (MODEL, "1024x1024", "low", 196),
        (MODEL, "1024x1024", "max", 7024),
        (MODEL, "1536x1024", "medium", 343),
        (MODEL, "3840x2160", "medium", 865),
        ("gpt-image-2", "2048x2048", "medium", 3568),
        ("gpt-image-1-mini", "1536x1024", "low", 400),
        (MODEL, "auto", "auto", 439),
    ],
)
def test_sdk_reads_the_usage_that_openai_publishes(
    stand_in: StandIn, client: openai.OpenAI, model: str, size: str, quality: str, tokens: int
) -> None:
    stand_in.today = date(2026, 11, 30)
    options = {"size": size, "quality": quality}
    response = client.images.generate(model=model, prompt="x" * 41, extra_body=options)
    assert response.usage
    assert (response.usage.input_tokens, response.usage.output_tokens) == (11, tokens)
    assert response.usage.total_tokens == 11 + tokens


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_sdk_reads_a_picture_of_the_given_options(client: openai.OpenAI, output_format: str) -> None:
    options = {"size": "1536x1024", "output_format": output_format, "moderation": "low"}
    response = client.images.generate(model=MODEL, prompt=PROMPT, extra_body=options)
    assert (response.size, response.quality, response.output_format) == ("1536x1024", "medium", output_format)
    assert response.data
    with Image.open(BytesIO(base64.b64decode(response.data[0].b64_json or "", validate=True))) as picture:
        assert (picture.format, picture.size) == (output_format.upper(), (1536, 1024))


def test_transparent_picture_has_transparent_pixels(client: openai.OpenAI) -> None:
    response = client.images.generate(model=MODEL, prompt=PROMPT, background="transparent", output_format="webp")
    assert response.background == "transparent"
    assert response.data
    with Image.open(BytesIO(base64.b64decode(response.data[0].b64_json or ""))) as picture:
        assert picture.getchannel("A").getextrema() == (0, 255)


def test_dall_e_3_responds_with_a_url(stand_in: StandIn, client: openai.OpenAI) -> None:
    stand_in.dall_e_3 = True
    response = client.images.generate(model="dall-e-3", prompt=PROMPT, quality="standard")
    assert response.data
    assert response.data[0].revised_prompt
    url = response.data[0].url or ""
    picture = requests.get(url, timeout=30)
    requests.get(url, headers={"Authorization": "Bearer x"}, timeout=30)
    assert picture.headers["Content-Type"] == "image/png"
    ledger = stand_in.ledger()
    assert ledger["usd"] == 0.04
    assert ledger["last_picture_sha256"] == sha256(picture.content).hexdigest()
    assert (ledger["downloads"], ledger["downloads_with_authorization"]) == (2, 1)
    assert client.images.generate(model="dall-e-3", prompt=PROMPT, response_format="b64_json").data[0].b64_json  # type: ignore[index]


@pytest.mark.parametrize(
    ("parameters", "code", "param"),
    [
        ({"prompt": ...}, "missing_required_parameter", "prompt"),
        ({"prompt": ""}, "empty_string", "prompt"),
        ({"prompt": 7}, "invalid_type", "prompt"),
        ({"prompt": "x" * 32_001}, "string_above_max_length", "prompt"),
        ({"model": "dall-e-3"}, "invalid_value", "model"),
        ({"response_format": "b64_json"}, "unknown_parameter", "response_format"),
        ({"n": 0}, "integer_below_min_value", "n"),
        ({"n": 11}, "integer_above_max_value", "n"),
        ({"size": "4096x4096"}, "invalid_value", "size"),
        ({"size": "3840x1024"}, "invalid_value", "size"),
        ({"size": "1000x1000"}, "invalid_value", "size"),
        ({"model": "gpt-image-1.5", "size": "1792x1024"}, "invalid_value", "size"),
        ({"model": "gpt-image-2", "quality": "max"}, "invalid_value", "quality"),
        ({"output_format": "tiff"}, "invalid_value", "output_format"),
        ({"background": "transparent", "output_format": "jpeg"}, "invalid_value", "background"),
        ({"model": "gpt-image-2", "background": "transparent"}, "invalid_value", "background"),
        ({"moderation": "none"}, "invalid_value", "moderation"),
        ({"output_compression": 50}, "invalid_value", "output_compression"),
        ({"output_compression": 101, "output_format": "jpeg"}, "integer_above_max_value", "output_compression"),
    ],
)
def test_bad_parameter_is_refused_and_not_billed(
    stand_in: StandIn, post: Post, parameters: dict[str, Any], code: str, param: str
) -> None:
    stand_in.today = date(2026, 11, 30)
    response = post(**parameters)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, code, param)
    assert (stand_in.ledger()["requests"], stand_in.ledger()["billed"]) == (1, 0)


@pytest.mark.parametrize("header", [{"Origin": "https://page.example"}, {"Host": "page.example"}])
def test_request_of_a_web_page_is_refused(stand_in: StandIn, header: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {stand_in.api_key}", **header}
    url = f"{stand_in.base_url}/models/{MODEL}"
    assert requests.get(url, headers=headers, timeout=30).status_code == 403


def test_keys_rotate(stand_in: StandIn, post: Post) -> None:
    stand_in.accept_keys({"sk-next"})
    response = post()
    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
    assert stand_in.api_key not in response.text
    stand_in.accept_keys({"sk-next", stand_in.api_key})
    assert post().status_code == 200


def test_sdk_reads_models_and_their_last_day(stand_in: StandIn, client: openai.OpenAI) -> None:
    assert client.models.retrieve(MODEL).shutdown_date is None
    stand_in.today = date(2026, 11, 30)
    assert client.models.retrieve("gpt-image-1.5").shutdown_date == "2026-12-01"
    stand_in.shutdown_dates = {MODEL: date(2027, 5, 1)}
    assert client.models.retrieve(MODEL).shutdown_date == "2027-05-01"
    with pytest.raises(openai.NotFoundError) as raised:
        client.models.retrieve("dall-e-3")
    assert raised.value.code == "model_not_found"


def test_ledger_counts_requests_pictures_and_dollars(stand_in: StandIn, post: Post) -> None:
    responses = [post(), post(quality="low"), post(n=0), post(prompt="else")]
    ledger = stand_in.ledger()
    assert (ledger["requests"], ledger["billed"]) == (4, 3)
    assert ledger["usd"] == pytest.approx((2 * 439 + 196) * 30e-6 + (3 + 3 + 1) * 5e-6)
    assert ledger["by_prompt"][KEY] == {"requests": 3, "billed": 2}
    assert ledger["recent"][2] == {
        "request_id": responses[2].headers["x-request-id"],
        "model": MODEL,
        "prompt": KEY,
        "billed": False,
        "fault": None,
        "status": 400,
    }
    assert PROMPT not in json.dumps(ledger)


def test_picture_is_billed_at_the_end_of_its_latency(stand_in: StandIn, post: Post) -> None:
    begun, over = Event(), Event()

    def latency(_: float) -> None:
        begun.set()
        over.wait(30)

    stand_in.latency, stand_in.sleep = 40, latency
    with ThreadPoolExecutor() as pool:
        response = pool.submit(post)
        assert begun.wait(30)
        assert stand_in.ledger()["billed"] == 0
        assert stand_in.ledger()["recent"][0]["status"] is None
        over.set()
        assert response.result().status_code == 200
    assert stand_in.ledger()["billed"] == 1


def test_picture_is_billed_after_its_client_has_gone(stand_in: StandIn) -> None:
    begun, over, answered = Event(), Event(), Event()

    def sleep(seconds: float) -> None:
        if seconds == 40:
            begun.set()
            over.wait(30)
        else:
            answered.set()

    stand_in.script("headers_drip", pause=1)
    before, stand_in.latency, stand_in.sleep = stand_in.current_ledger, 40, sleep
    client = HTTPConnection("127.0.0.1", stand_in.port)
    headers = {"Authorization": f"Bearer {stand_in.api_key}", "Content-Type": "application/json"}
    client.request("POST", "/v1/images/generations", json.dumps({"model": MODEL, "prompt": PROMPT}), headers)
    assert begun.wait(30)
    client.close()
    stand_in.reset()
    stand_in.sleep = sleep
    over.set()
    assert answered.wait(30)
    assert before.to_dict()["billed"] == 1
    assert stand_in.ledger()["billed"] == 0, "a request belongs to the ledger of its arrival"


def test_ledger_loses_no_count_under_many_callers(stand_in: StandIn, post: Post) -> None:
    stand_in.script("closed_after_billing", "server_error", times=10)

    def send(_: int) -> None:
        with suppress(requests.ConnectionError):
            post()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(send, range(60)))
    ledger = stand_in.ledger()
    assert (ledger["requests"], ledger["billed"]) == (60, 50)


def test_exit_aborts_a_request_that_waits() -> None:
    with ThreadPoolExecutor() as pool, StandIn(latency=600) as stand_in:
        headers = {"Authorization": f"Bearer {stand_in.api_key}"}
        document = {"model": MODEL, "prompt": PROMPT}
        url = f"{stand_in.base_url}/images/generations"
        waiting = pool.submit(requests.post, url, json=document, headers=headers, timeout=30)
        while not stand_in.ledger()["requests"]:
            assert not waiting.done()
        stand_in.__exit__()
        assert isinstance(waiting.exception(), requests.ConnectionError)
        assert stand_in.ledger()["billed"] == 0
