"""Each fault behaves as its entry in the catalogue, for the official SDK and for a plain client."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import openai
import pytest
import requests

from local.openai_stand_in import CATALOGUE, Route, StandIn

MODEL = "gpt-image-2.6-flare"
QUICK = {"delay": 0, "pause": 0, "size": 300_000}
GENERATIONS = [name for name, fault in CATALOGUE.items() if fault.route is Route.GENERATIONS]
DOWNLOADS = {
    "url": 200,
    "url_not_found": 404,
    "url_forbidden": 403,
    "url_unavailable": 503,
    "url_redirects": 302,
    "url_drips": 200,
    "url_oversize": 200,
    "url_html": 200,
    "url_closed": requests.ConnectionError,
    "url_reset": requests.ConnectionError,
    "url_truncated": requests.exceptions.ChunkedEncodingError,
}


@pytest.fixture
def client(stand_in: StandIn) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=stand_in.base_url, api_key=stand_in.api_key, max_retries=0, timeout=30) as opened:
        yield opened


def post(stand_in: StandIn, prompt: str = "a lake", model: str = MODEL) -> requests.Response:
    return requests.post(
        f"{stand_in.base_url}/images/generations",
        json={"model": model, "prompt": prompt},
        headers={"Authorization": f"Bearer {stand_in.api_key}"},
        timeout=30,
    )


@pytest.mark.parametrize("name", GENERATIONS)
def test_fault_bills_as_it_says_and_happens_once(stand_in: StandIn, name: str) -> None:
    stand_in.script(name, **QUICK)
    fault = CATALOGUE[name]
    if fault.delivery.has_status and name != "body_truncated":
        assert post(stand_in).status_code == (fault.status or 200)
    else:
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            post(stand_in)
    ledger = stand_in.ledger()
    assert ledger["billed"] == fault.bills
    assert ledger["recent"][0]["fault"] == name
    assert "b64_json" in post(stand_in).text


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("rate_limit_exceeded", openai.RateLimitError),
        ("moderation_blocked", openai.BadRequestError),
        ("gateway_504", openai.InternalServerError),
        ("closed_after_billing", openai.APIConnectionError),
        ("body_truncated", openai.APIConnectionError),
    ],
)
def test_sdk_raises_its_own_error(
    stand_in: StandIn, client: openai.OpenAI, name: str, error: type[openai.APIError]
) -> None:
    stand_in.script(name)
    with pytest.raises(error):
        client.images.generate(model=MODEL, prompt="a lake")


def test_retries_of_the_sdk_buy_three_pictures(stand_in: StandIn, client: openai.OpenAI) -> None:
    """The reason why the module does not use the SDK."""
    stand_in.script("gateway_504", times="always", headers={"retry-after-ms": "1"})
    with pytest.raises(openai.InternalServerError):
        client.with_options(max_retries=2).images.generate(model=MODEL, prompt="a lake")
    assert stand_in.ledger()["billed"] == 3


def test_prompt_provokes_a_fault(stand_in: StandIn) -> None:
    for _ in range(2):
        assert post(stand_in, "[none] a storm [moderation_blocked]").json()["error"]["code"] == "moderation_blocked"
    assert post(stand_in, "a storm").status_code == 200


def test_script_matches_by_model_and_prompt(stand_in: StandIn) -> None:
    stand_in.script("server_error", match={"prompt_contains": "storm"}, times=2)
    stand_in.script({"fault": "slow_down", "match": {"model": "gpt-image-2"}}, times="always")
    prompts = [("a lake", MODEL), ("a storm", "gpt-image-2"), ("a storm", MODEL), ("a storm", MODEL)]
    assert [post(stand_in, *prompt).status_code for prompt in prompts] == [200, 500, 500, 200]
    assert [post(stand_in, model="gpt-image-2").status_code for _ in range(2)] == [429, 429]
    stand_in.forget_script()
    assert post(stand_in, model="gpt-image-2").status_code == 200


@pytest.mark.parametrize(
    ("error", "rule"), [(KeyError, {"fault": "nothing"}), (TypeError, {"fault": "url", "staus": 1})]
)
def test_mistake_in_a_script_is_an_error(stand_in: StandIn, error: type[Exception], rule: dict[str, object]) -> None:
    with pytest.raises(error):
        stand_in.script(rule)


def test_retry_after_has_three_forms(stand_in: StandIn) -> None:
    stand_in.script("rate_limit_retry_after", retry_after=7)
    stand_in.script("rate_limit_retry_after_ms")
    stand_in.script("rate_limit_retry_after_date", retry_after=3600)
    assert post(stand_in).headers["Retry-After"] == "7"
    assert post(stand_in).headers["retry-after-ms"] == "250"
    date = parsedate_to_datetime(post(stand_in).headers["Retry-After"])
    assert 3500 < (date - datetime.now(UTC)).total_seconds() <= 3600


@pytest.mark.parametrize("name", DOWNLOADS)
def test_url_leads_to_what_its_fault_says(stand_in: StandIn, name: str) -> None:
    stand_in.script(name, pause=0, size=300_000)
    url = post(stand_in).json()["data"][0]["url"]
    expected = DOWNLOADS[name]
    if isinstance(expected, type):
        with pytest.raises(expected):
            requests.get(url, timeout=30)
        return
    response = requests.get(url, timeout=30, allow_redirects=False)
    assert response.status_code == expected
    if name == "url_redirects":
        assert requests.get(url, timeout=30).content.startswith(b"\x89PNG")
    if name == "url_oversize":
        assert len(response.content) > 250_000


def test_download_recovers_after_the_given_number(stand_in: StandIn) -> None:
    stand_in.script("url_unavailable", downloads=2)
    url = post(stand_in).json()["data"][0]["url"]
    assert [requests.get(url, timeout=30).status_code for _ in range(3)] == [503, 503, 200]
    stand_in.script("status", route="pictures", status=429, body="")
    assert requests.get(url, timeout=30).status_code == 429
    assert requests.get(f"{stand_in.url}/pictures/unknown.png", timeout=30).status_code == 404
