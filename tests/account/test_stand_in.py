"""The stand-in satisfies the official SDK, fails as its script says, and its ledger shows its bills."""

import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from functools import partial
from hashlib import sha256
from http.client import HTTPConnection
from io import BytesIO
from threading import Event

import openai
import pytest
import requests
from PIL import Image

from local.openai_stand_in import CATALOGUE, StandIn
from local.openai_stand_in.faults import Delivery

MODEL = "gpt-image-2.6-flare"
PROMPT = "a quiet lake"
BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)

Post = Callable[..., requests.Response]


@pytest.fixture
def client(stand_in: StandIn) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=stand_in.base_url, api_key=stand_in.api_key, max_retries=0, timeout=30) as opened:
        yield opened


def request_picture(stand_in: StandIn, prompt: str = PROMPT, **parameters: object) -> requests.Response:
    return requests.post(
        f"{stand_in.base_url}/images/generations",
        json={"model": MODEL, "prompt": prompt, **parameters},
        headers={"Authorization": f"Bearer {stand_in.api_key}"},
        timeout=30,
    )


@pytest.fixture
def post(stand_in: StandIn) -> Post:
    return partial(request_picture, stand_in)


@pytest.mark.parametrize(
    ("output_format", "background", "alpha"),
    [("png", "auto", None), ("jpeg", "opaque", None), ("webp", "transparent", (0, 255))],
)
def test_sdk_reads_a_picture_of_the_given_options(
    client: openai.OpenAI, output_format: str, background: str, alpha: tuple[int, int] | None
) -> None:
    options = {"size": "1536x1024", "output_format": output_format, "background": background, "moderation": "low"}
    response = client.images.generate(model=MODEL, prompt=PROMPT, extra_body=options)
    assert (response.size, response.quality, response.output_format) == ("1536x1024", "medium", output_format)
    assert response.background == ("transparent" if alpha else "opaque")
    assert response.data
    assert response.usage
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (3, 343, 346)
    with Image.open(BytesIO(base64.b64decode(response.data[0].b64_json or "", validate=True))) as picture:
        assert (picture.format, picture.size) == (output_format.upper(), (1536, 1024))
        assert alpha is None or picture.getchannel("A").getextrema() == alpha


def test_dall_e_3_responds_with_a_url(stand_in: StandIn, client: openai.OpenAI) -> None:
    stand_in.dall_e_3 = True
    response = client.images.generate(model="dall-e-3", prompt=PROMPT, quality="standard")
    assert response.data
    assert response.data[0].revised_prompt
    picture = requests.get(response.data[0].url or "", timeout=30)
    assert picture.headers["Content-Type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    assert (stand_in.ledger()["usd"], stand_in.ledger()["downloads"]) == (0.04, 1)
    assert client.images.generate(model="dall-e-3", prompt=PROMPT, response_format="b64_json").data[0].b64_json  # type: ignore[index]


@pytest.mark.parametrize("header", [{"Origin": "https://page.example"}, {"Host": "page.example"}])
def test_request_of_a_web_page_is_refused(stand_in: StandIn, header: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {stand_in.api_key}", **header}
    assert requests.get(f"{stand_in.base_url}/models/{MODEL}", headers=headers, timeout=30).status_code == 403


def test_sdk_reads_models_and_their_last_day(stand_in: StandIn, client: openai.OpenAI) -> None:
    stand_in.clock = datetime(2026, 11, 30, tzinfo=UTC).timestamp
    assert client.models.retrieve(MODEL).shutdown_date is None
    assert client.models.retrieve("gpt-image-1.5").shutdown_date == "2026-12-01"
    stand_in.shutdown_dates = {MODEL: date(2026, 11, 30)}
    for retired in ("dall-e-3", MODEL):
        with pytest.raises(openai.NotFoundError, match="does not exist") as raised:
            client.models.retrieve(retired)
        assert raised.value.code == "model_not_found"


def test_ledger_counts_requests_pictures_and_dollars(stand_in: StandIn, post: Post) -> None:
    responses = [post(), post(quality="low"), post(n=0), post("else")]
    stand_in.accept_keys({"sk-next"})
    responses.append(post())
    assert responses[-1].json()["error"]["code"] == "invalid_api_key"
    ledger = stand_in.ledger()
    key = sha256(PROMPT.encode()).hexdigest()[:16]
    assert (ledger["requests"], ledger["billed"]) == (5, 3)
    assert ledger["usd"] == pytest.approx((2 * 439 + 196) * 30e-6 + (3 + 3 + 1) * 5e-6)
    assert ledger["by_prompt"][key] == {"requests": 4, "billed": 2}
    ids = [response.headers["x-request-id"] for response in responses]
    assert [(entry["request_id"], entry["status"]) for entry in ledger["recent"]] == list(
        zip(ids, [200, 200, 400, 200, 401], strict=True)
    )
    assert PROMPT not in json.dumps(ledger)


@pytest.mark.parametrize("name", CATALOGUE)
def test_fault_bills_as_it_says_and_happens_once(stand_in: StandIn, post: Post, name: str) -> None:
    stand_in.script(name, delay=0)
    fault = CATALOGUE[name]
    if fault.delivery is Delivery.WHOLE:
        response = post()
        assert response.status_code == (fault.status or 200)
        assert ("url" in response.text) == (fault.url is not None)
    else:
        with pytest.raises(BROKEN):
            post()
    assert stand_in.ledger()["billed"] == fault.bills
    assert "b64_json" in post().text


def test_script_matches_by_prompt_and_ends(stand_in: StandIn, post: Post) -> None:
    stand_in.script("server_error", match={"prompt_contains": "storm"}, times=2)
    stand_in.script({"fault": "invalid_value", "times": "always", "match": {"prompt_contains": "lake"}})
    prompts = ["a sea", "a storm", "a lake", "a storm", "a storm", "a lake", "a storm [moderation_blocked]"]
    assert [post(prompt).status_code for prompt in prompts] == [200, 500, 400, 500, 200, 400, 400]
    stand_in.forget_script()
    assert post("a lake").status_code == 200
    for error, rule in ((KeyError, {"fault": "nothing"}), (TypeError, {"fault": "url", "staus": 1})):
        with pytest.raises(error):
            stand_in.script(rule)


def test_picture_is_billed_after_its_client_has_gone(stand_in: StandIn) -> None:
    begun, over = Event(), Event()

    def latency(_: float) -> None:
        begun.set()
        over.wait(30)

    stand_in.latency, stand_in.sleep = 40, latency
    entries = stand_in.entries
    client = HTTPConnection("127.0.0.1", stand_in.port)
    headers = {"Authorization": f"Bearer {stand_in.api_key}", "Content-Type": "application/json"}
    client.request("POST", "/v1/images/generations", json.dumps({"model": MODEL, "prompt": PROMPT}), headers)
    assert begun.wait(30)
    client.close()
    assert (entries[0].microdollars, entries[0].status) == (0, None)
    stand_in.reset()
    over.set()
    while entries[0].status is None:
        over.wait(0)
    assert entries[0].microdollars > 0
    assert stand_in.ledger()["requests"] == 0, "a request belongs to the ledger of its arrival"


def test_exit_aborts_a_request_that_waits() -> None:
    with ThreadPoolExecutor() as pool, StandIn(latency=600) as stand_in:
        waiting = pool.submit(request_picture, stand_in)
        while not stand_in.ledger()["requests"]:
            assert not waiting.done()
        stand_in.__exit__()
        assert isinstance(waiting.exception(), requests.ConnectionError)
        assert stand_in.ledger()["billed"] == 0
