"""The stand-in accepts what OpenAI accepts and refuses the rest in OpenAI's words."""

from __future__ import annotations

import base64
import io
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
import requests
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.openai_stand_in import StandIn

    Generate = Callable[..., requests.Response]

OLDER = {"model": "gpt-image-1.5"}
DALL_E = {"model": "dall-e-3"}


@pytest.mark.parametrize(
    ("parameters", "code", "param"),
    [
        ({"model": ...}, "missing_required_parameter", "model"),
        ({"model": None}, "missing_required_parameter", "model"),
        ({"model": 7}, "invalid_type", "model"),
        ({"model": "gpt-image-9"}, "invalid_value", "model"),
        ({"model": "dall-e-2"}, "invalid_value", "model"),
        ({"model": "dall-e-3"}, "invalid_value", "model"),
        ({"model": "gpt-image-1"}, "invalid_value", "model"),
        ({"prompt": ...}, "missing_required_parameter", "prompt"),
        ({"prompt": ""}, "empty_string", "prompt"),
        ({"prompt": ["a cat"]}, "invalid_type", "prompt"),
        ({"prompt": "x" * 32_001}, "string_above_max_length", "prompt"),
        ({"response_format": "b64_json"}, "unknown_parameter", "response_format"),
        ({"style": "vivid"}, "unknown_parameter", "style"),
        ({"seed": 1}, "unknown_parameter", "seed"),
        ({**OLDER, "complexity": "low"}, "unknown_parameter", "complexity"),
        ({"n": 0}, "integer_below_min_value", "n"),
        ({"n": 11}, "integer_above_max_value", "n"),
        ({"n": "1"}, "invalid_type", "n"),
        ({"n": True}, "invalid_type", "n"),
        ({"size": "512x512"}, "invalid_value", "size"),
        ({"size": "4096x4096"}, "invalid_value", "size"),
        ({"size": "3840x1024"}, "invalid_value", "size"),
        ({"size": "3840x3840"}, "invalid_value", "size"),
        ({"size": "1000x1000"}, "invalid_value", "size"),
        ({"size": "large"}, "invalid_value", "size"),
        ({"size": 1024}, "invalid_type", "size"),
        ({**OLDER, "size": "1792x1024"}, "invalid_value", "size"),
        ({"quality": "hd"}, "invalid_value", "quality"),
        ({"quality": "standard"}, "invalid_value", "quality"),
        ({"model": "gpt-image-2", "quality": "max"}, "invalid_value", "quality"),
        ({"output_format": "tiff"}, "invalid_value", "output_format"),
        ({"background": "pink"}, "invalid_value", "background"),
        ({"background": "transparent", "output_format": "jpeg"}, "invalid_value", "background"),
        ({"model": "gpt-image-2", "background": "transparent"}, "invalid_value", "background"),
        ({"moderation": "none"}, "invalid_value", "moderation"),
        ({"output_compression": 50}, "invalid_value", "output_compression"),
        ({"output_compression": 101, "output_format": "jpeg"}, "integer_above_max_value", "output_compression"),
        ({"stream": "yes"}, "invalid_type", "stream"),
        ({"safety_identifier": "x" * 129}, "string_above_max_length", "safety_identifier"),
    ],
)
def test_it_refuses(stand_in: StandIn, generate: Generate, parameters: dict[str, Any], code: str, param: str) -> None:
    answer = generate(**parameters)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)
    assert set(error) == {"message", "type", "param", "code"}
    assert stand_in.ledger()["billed"] == 0


def test_a_retired_model_is_told_as_the_images_api_tells_it(generate: Generate) -> None:
    assert generate(**DALL_E).json() == {
        "error": {
            "message": "The model 'dall-e-3' does not exist.",
            "type": "image_generation_user_error",
            "param": "model",
            "code": "invalid_value",
        }
    }


def test_a_size_is_refused_with_its_reason(generate: Generate) -> None:
    error = generate(size="4096x4096").json()["error"]
    assert error["message"] == "Invalid size '4096x4096'. The longest edge must be less than or equal to 3840."
    assert error["type"] == "image_generation_user_error"


@pytest.mark.parametrize(
    ("parameters", "size", "output_tokens"),
    [
        ({"quality": "low"}, "1024x1024", 196),
        ({"quality": "medium"}, "1024x1024", 439),
        ({"quality": "high"}, "1024x1024", 1756),
        ({"quality": "xhigh"}, "1024x1024", 3122),
        ({"quality": "max"}, "1024x1024", 7024),
        ({"model": "gpt-image-2", "quality": "medium"}, "1024x1024", 1756),
        ({"model": "gpt-image-1.5", "quality": "medium"}, "1024x1024", 1056),
        ({"model": "gpt-image-1-mini", "quality": "low", "size": "1536x1024"}, "1536x1024", 400),
        ({"quality": "low", "n": 2}, "1024x1024", 392),
        ({"quality": "low", "size": "1536x864"}, "1536x864", 120),
        ({"size": None, "quality": None}, "1024x1024", 439),
    ],
)
def test_it_draws_and_counts_tokens(
    stand_in: StandIn, generate: Generate, parameters: dict[str, Any], size: str, output_tokens: int
) -> None:
    answer = generate(prompt="five!", **parameters).json()
    assert answer["usage"] == {
        "input_tokens": 2,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": 2},
        "output_tokens": output_tokens,
        "output_tokens_details": {"image_tokens": output_tokens, "text_tokens": 0},
        "total_tokens": 2 + output_tokens,
    }
    pictures = [base64.b64decode(entry["b64_json"]) for entry in answer["data"]]
    drawn = {"{}x{}".format(*Image.open(io.BytesIO(picture)).size) for picture in pictures}
    assert drawn == {answer["size"]} == {size}
    assert len(set(pictures)) == stand_in.ledger()["billed"] == parameters.get("n", 1)


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_it_gives_the_format_that_was_asked_for(generate: Generate, output_format: str) -> None:
    answer = generate(output_format=output_format).json()
    picture = Image.open(io.BytesIO(base64.b64decode(answer["data"][0]["b64_json"])))
    assert picture.format == output_format.upper()
    assert answer["output_format"] == output_format


def test_a_transparent_background_is_transparent(generate: Generate) -> None:
    answer = generate(background="transparent").json()
    picture = Image.open(io.BytesIO(base64.b64decode(answer["data"][0]["b64_json"])))
    assert picture.mode == "RGBA"
    assert picture.getchannel("A").getextrema() == (0, 255)


def test_deprecated_models_live_until_their_day(stand_in: StandIn, generate: Generate) -> None:
    stand_in.today = date(2026, 11, 30)
    assert generate(**OLDER).status_code == 200
    stand_in.today = date(2026, 12, 1)
    assert generate(**OLDER).status_code == 400
    stand_in.shutdown_dates = {"gpt-image-1.5": None}
    assert generate(**OLDER).status_code == 200


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"n": 2}, "integer_above_max_value"),
        ({"size": "1536x1024"}, "invalid_value"),
        ({"quality": "medium"}, "invalid_value"),
        ({"style": "sober"}, "invalid_value"),
        ({"response_format": "base64"}, "invalid_value"),
        ({"output_format": "png"}, "unknown_parameter"),
        ({"prompt": "x" * 4001}, "string_above_max_length"),
    ],
)
def test_dall_e_3_has_a_dialect_of_its_own(
    stand_in: StandIn, generate: Generate, parameters: dict[str, Any], code: str
) -> None:
    stand_in.dall_e_3 = True
    assert generate(**{**DALL_E, **parameters}).json()["error"]["code"] == code


def test_dall_e_3_answers_by_url_unless_asked_for_bytes(stand_in: StandIn, generate: Generate) -> None:
    stand_in.dall_e_3 = True
    by_url = generate(**DALL_E, quality="standard", style="natural").json()
    assert set(by_url) == {"created", "data"}
    assert set(by_url["data"][0]) == {"url", "revised_prompt"}
    assert by_url["data"][0]["url"].startswith(f"{stand_in.url}/pictures/")
    download = requests.get(by_url["data"][0]["url"], timeout=5)
    assert download.headers["Content-Type"] == "image/png"
    in_base64 = generate(**DALL_E, response_format="b64_json", quality="hd").json()
    assert base64.b64decode(in_base64["data"][0]["b64_json"]) == download.content


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, None),
        ("Bearer ", None),
        ("Basic sk-stand-in", None),
        ("Bearer sk-wrong", "invalid_api_key"),
        ("Bearer sk-proj-0123456789abcdefghij", "invalid_api_key"),
    ],
)
def test_a_wrong_key_is_refused_and_not_repeated(
    stand_in: StandIn, authorization: str | None, code: str | None
) -> None:
    answer = requests.post(
        f"{stand_in.base_url}/images/generations",
        json={"model": "gpt-image-2", "prompt": "x"},
        headers={"Authorization": authorization} if authorization else {},
        timeout=5,
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
    key = (authorization or "").removeprefix("Bearer ")
    assert not key or key not in answer.text
    assert stand_in.ledger()["requests"] == 1


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"", b"\xff", b"[" * 100_000], ids=["cut", "a list", "empty", "no UTF-8", "too deep"]
)
def test_a_body_that_is_no_json_object_is_refused(stand_in: StandIn, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {stand_in.api_key}", "Content-Type": "application/json"}
    answer = requests.post(f"{stand_in.base_url}/images/generations", data=body, headers=headers, timeout=5)
    assert answer.status_code == 400
    assert "could not parse the JSON body" in answer.json()["error"]["message"]


def test_another_content_type_is_refused(stand_in: StandIn) -> None:
    headers = {"Authorization": f"Bearer {stand_in.api_key}", "Content-Type": "text/plain"}
    answer = requests.post(f"{stand_in.base_url}/images/generations", data=b"{}", headers=headers, timeout=5)
    assert answer.json()["error"]["code"] == "unsupported_content_type"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/images/generations", 405),
        ("DELETE", "/v1/images/generations", 405),
        ("POST", "/v1/models", 405),
        ("POST", "/v1/models/gpt-image-2", 405),
        ("POST", "/v1/images/edits", 404),
        ("GET", "/", 404),
    ],
)
def test_a_wrong_path_or_method_is_an_error_object(stand_in: StandIn, method: str, path: str, status: int) -> None:
    answer = requests.request(method, f"{stand_in.url}{path}", timeout=5)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_every_answer_carries_openais_headers(generate: Generate) -> None:
    for answer in (generate(), generate(n=99)):
        assert answer.headers["x-request-id"].startswith("req_")
        assert int(answer.headers["openai-processing-ms"]) >= 0
        assert {
            "openai-version",
            "openai-organization",
            "x-ratelimit-limit-requests",
            "x-ratelimit-remaining-requests",
            "x-ratelimit-reset-requests",
        } <= {name.lower() for name in answer.headers}
