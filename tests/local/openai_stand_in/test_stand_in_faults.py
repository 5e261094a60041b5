"""Every fault of the catalogue, over real HTTP, and what it bills."""

from __future__ import annotations

import base64
import json
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests

from local.openai_stand_in import ScriptError, StandIn
from local.openai_stand_in.fault import Delivery, Fault, Route
from local.openai_stand_in.faults import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Callable

    Generate = Callable[..., requests.Response]

PNG = b"\x89PNG\r\n\x1a\n"
BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
QUICK: dict[str, Any] = {"pause": 0.005, "size": 300_000}


def _named(route: Route) -> dict[str, Fault]:
    return {name: fault for name, fault in CATALOGUE.items() if fault.route is route}


@pytest.mark.parametrize("name", _named(Route.GENERATIONS))
def test_a_fault_shows_once_bills_what_it_says_and_leaves_the_next_request_alone(
    stand_in: StandIn, generate: Generate, name: str
) -> None:
    fault = CATALOGUE[name]
    stand_in.script(name, **QUICK, **({"delay": 0.01} if name == "delay" else {}))
    if fault.delivery.completes:
        assert generate().status_code == (fault.status or 200)
    else:
        with pytest.raises(BROKEN):
            generate()
    ledger = stand_in.ledger()
    assert ledger["billed"] == int(fault.bills)
    assert ledger["recent"][-1]["fault"] == name
    assert ledger["recent"][-1]["billed"] is fault.bills
    assert ledger["recent"][-1]["status"] == ((fault.status or 200) if fault.delivery.answers else None)
    assert base64.b64decode(generate().json()["data"][0]["b64_json"]).startswith(PNG)
    assert stand_in.ledger()["billed"] == int(fault.bills) + 1


def test_what_openai_refuses_is_never_billed_and_what_was_lost_on_the_way_is() -> None:
    """The catalogue, by a second hand."""
    not_billed = {name for name, fault in CATALOGUE.items() if not fault.bills}
    assert not_billed == {
        "moderation_blocked",
        "moderation_blocked_output",
        "content_policy_violation",
        "azure_content_filter",
        "invalid_value",
        "unknown_parameter",
        "billing_hard_limit_reached",
        "invalid_api_key",
        "organization_unverified",
        "unsupported_country",
        "model_not_found",
        "model_does_not_exist",
        "rate_limit_exceeded",
        "rate_limit_retry_after",
        "rate_limit_retry_after_date",
        "rate_limit_retry_after_ms",
        "slow_down",
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "server_error",
        "server_is_overloaded",
        "models_restricted_key",
        "status",
        "error_code_null",
        "error_type_missing",
        "error_code_number",
        "error_detail",
        "error_detail_list",
        "error_string",
        "error_null",
        "error_list",
        "error_not_json",
        "error_empty",
        "gateway_500",
        "gateway_502",
        "gateway_503",
        "closed_before_billing",
        "reset_before_billing",
    }


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("data_empty", []),
        ("data_null", None),
        ("entry_empty", [{}]),
        ("base64_invalid", [{"b64_json": "this is *not* base64!"}]),
        ("picture_empty", [{"b64_json": ""}]),
    ],
)
def test_an_odd_success_has_odd_data(stand_in: StandIn, generate: Generate, name: str, data: object) -> None:
    stand_in.script(name)
    assert generate().json()["data"] == data


@pytest.mark.parametrize(
    ("name", "first_bytes"),
    [
        ("picture_jpeg", b"\xff\xd8\xff"),
        ("picture_webp", b"RIFF"),
        ("picture_html", b"<!DOCTYPE html>"),
        ("picture_svg", b"<svg "),
    ],
)
def test_the_bytes_are_not_the_png_that_was_asked_for(
    stand_in: StandIn, generate: Generate, name: str, first_bytes: bytes
) -> None:
    stand_in.script(name)
    answer = generate(output_format="png").json()
    assert answer["output_format"] == "png"
    assert base64.b64decode(answer["data"][0]["b64_json"]).startswith(first_bytes)


def test_a_data_url_holds_the_picture(stand_in: StandIn, generate: Generate) -> None:
    stand_in.script("base64_data_url")
    prefix, _, encoded = generate().json()["data"][0]["b64_json"].partition(",")
    assert prefix == "data:image/png;base64"
    assert base64.b64decode(encoded).startswith(PNG)


def test_an_oversize_answer_has_no_length_and_is_still_json(stand_in: StandIn, generate: Generate) -> None:
    stand_in.script("body_oversize", size=3_000_000)
    answer = generate()
    assert "Content-Length" not in answer.headers
    assert len(answer.content) > 2_900_000
    assert json.loads(answer.content)["data"]


def test_a_gateway_knows_no_request_id(stand_in: StandIn, generate: Generate) -> None:
    stand_in.script("gateway_504")
    answer = generate()
    assert "x-request-id" not in answer.headers
    assert answer.headers["Content-Type"].startswith("text/html")


def test_retry_after_is_told_in_its_three_forms(stand_in: StandIn, generate: Generate) -> None:
    stand_in.script("rate_limit_retry_after", retry_after=7)
    stand_in.script("rate_limit_retry_after_ms")
    stand_in.script("rate_limit_retry_after_date", retry_after=3600)
    stand_in.script("rate_limit_exceeded")
    assert generate().headers["Retry-After"] == "7"
    assert generate().headers["retry-after-ms"] == "250"
    assert 3500 < parsedate_to_datetime(generate().headers["Retry-After"]).timestamp() - time.time() < 3700
    assert not {"retry-after", "retry-after-ms"} & {name.lower() for name in generate().headers}


def test_any_status_body_and_header_can_be_scripted(stand_in: StandIn, generate: Generate) -> None:
    stand_in.script("status", status=451, body={"why": "law"}, headers={"X-Why": "law", "x-request-id": None})
    stand_in.script("status", status=599, body="plain", bills=True)
    first, second = generate(), generate()
    assert (first.status_code, first.json(), first.headers["X-Why"]) == (451, {"why": "law"}, "law")
    assert "x-request-id" not in first.headers
    assert (second.status_code, second.text) == (599, "plain")
    assert [entry["billed"] for entry in stand_in.ledger()["recent"]] == [False, True]


DOWNLOADS: dict[str, tuple[int | None, str | None]] = {
    "url": (200, None),
    "url_not_found": (404, None),
    "url_forbidden": (403, None),
    "url_unavailable": (503, None),
    "url_redirects": (302, "{root}/pictures/moved/{id}.png"),
    "url_redirects_to_private_address": (302, "http://169.254.169.254/latest/meta-data/"),
    "url_redirects_to_foreign_host": (302, "https://pictures.example/{id}.png"),
    "url_redirects_to_file": (302, "file:///etc/passwd"),
    "url_redirect_loop": (302, "{root}/pictures/{id}.png"),
    "url_closed": (None, None),
    "url_reset": (None, None),
    "url_truncated": (None, None),
    "url_drips": (200, None),
    "url_oversize": (200, None),
    "url_html": (200, None),
}
ELSEWHERE = {
    "url_private_address": "http://169.254.169.254/",
    "url_foreign_host": "https://pictures.example/",
    "url_ftp": "ftp://",
    "url_file": "file:///etc/passwd",
    "url_not_a_url": "pictures/",
}


def test_every_answer_by_url_is_tested_below() -> None:
    assert {name for name, fault in CATALOGUE.items() if fault.url} == set(DOWNLOADS) | set(ELSEWHERE)


@pytest.mark.parametrize(("name", "expected"), DOWNLOADS.items())
def test_whoever_follows_the_url_meets_the_fault(
    stand_in: StandIn, generate: Generate, name: str, expected: tuple[int | None, str | None]
) -> None:
    status, location = expected
    stand_in.script(name, **QUICK)
    url = generate().json()["data"][0]["url"]
    if status is None:
        with pytest.raises(BROKEN):
            requests.get(url, timeout=5)
        return
    answer = requests.get(url, timeout=5, allow_redirects=False)
    assert answer.status_code == status
    picture_id = url.rpartition("/")[2].removesuffix(".png")
    wanted = location and location.replace("{root}", stand_in.url).replace("{id}", picture_id)
    assert answer.headers.get("Location") == wanted
    if status == 200:
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.content.startswith(PNG) is (name != "url_html")
    assert stand_in.ledger()["downloads"] == 1


@pytest.mark.parametrize(("name", "start"), ELSEWHERE.items())
def test_a_url_points_elsewhere(stand_in: StandIn, generate: Generate, name: str, start: str) -> None:
    stand_in.script(name)
    assert generate().json()["data"][0]["url"].startswith(start)


def test_a_redirect_within_the_host_ends_at_the_picture(stand_in: StandIn, generate: Generate) -> None:
    stand_in.script("url_redirects")
    answer = requests.get(generate().json()["data"][0]["url"], timeout=5)
    assert answer.content.startswith(PNG)
    assert len(answer.history) == 1


def test_a_download_fails_as_often_as_it_should(stand_in: StandIn, generate: Generate) -> None:
    stand_in.script("url_unavailable", downloads=2)
    url = generate().json()["data"][0]["url"]
    assert [requests.get(url, timeout=5).status_code for _ in range(4)] == [503, 503, 200, 200]


def test_downloads_and_models_can_be_struck_by_any_fault(stand_in: StandIn, generate: Generate) -> None:
    stand_in.script("url")
    url = generate().json()["data"][0]["url"]
    stand_in.script("status", route="pictures", status=429, body="")
    stand_in.script("server_error", route="models")
    headers = {"Authorization": f"Bearer {stand_in.api_key}"}
    assert [requests.get(url, timeout=5).status_code for _ in range(2)] == [429, 200]
    model = f"{stand_in.base_url}/models/gpt-image-2"
    assert [requests.get(model, headers=headers, timeout=5).status_code for _ in range(2)] == [500, 200]


def test_faults_wait_in_line_for_the_requests_that_they_match(stand_in: StandIn, generate: Generate) -> None:
    stand_in.script("server_error", match={"prompt_contains": "storm"}, times=2)
    stand_in.script("slow_down", match={"model": "gpt-image-2"}, times="always")
    stand_in.script("insufficient_quota")
    statuses = [
        generate(prompt="a storm").status_code,
        generate(prompt="a calm").status_code,
        generate(prompt="a calm").status_code,
        generate(model="gpt-image-2").status_code,
        generate(prompt="a storm").status_code,
        generate(prompt="a storm").status_code,
        generate(model="gpt-image-2").status_code,
    ]
    assert statuses == [500, 429, 200, 429, 500, 200, 429]
    assert stand_in.faults.waiting() == [{"faults": ["slow_down"], "left": None, "rate": 1.0}]


def test_a_request_that_openai_refuses_consumes_no_fault(stand_in: StandIn, generate: Generate) -> None:
    stand_in.script("server_error")
    assert [generate(n=0).status_code, generate().status_code] == [400, 500]


def test_a_random_mixture_is_the_same_each_time(stand_in: StandIn, generate: Generate) -> None:
    mixture = {"faults": ["server_error", "rate_limit_exceeded"], "rate": 0.4, "seed": 7}
    rounds = []
    for _ in range(2):
        stand_in.reset()
        stand_in.script(mixture)
        rounds.append([generate().status_code for _ in range(30)])
    assert rounds[0] == rounds[1]
    assert set(rounds[0]) == {200, 429, 500}


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"fault": "no_such_fault"},
        {"faults": []},
        {"fault": "delay", "delay": -1},
        {"fault": "delay", "times": 0},
        {"fault": "delay", "rate": 2},
        {"fault": "delay", "seed": "x"},
        {"fault": "delay", "match": {"prompt": "x"}},
        {"fault": "delay", "match": {"model": 7}},
        {"fault": "delay", "colour": "red"},
        {"fault": "delay", "route": "nowhere"},
        {"fault": "delay", "headers": "x"},
        {"faults": ["delay", "models_restricted_key"]},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(stand_in: StandIn, rule: dict[str, object]) -> None:
    with pytest.raises(ScriptError):
        stand_in.script(rule)
    answer = requests.post(f"{stand_in.url}/_stand_in/faults", json=rule, timeout=5)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_the_default_size_of_an_oversize_answer_is_large() -> None:
    sizes = [fault.size for fault in CATALOGUE.values() if fault.delivery is Delivery.OVERSIZE]
    assert min(sizes) >= 50 * 1024 * 1024
