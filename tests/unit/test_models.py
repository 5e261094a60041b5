"""Both dialects, and a list of models of which some do not exist."""

import base64
import hashlib

import pytest
import requests

from generate_image.errors import InvalidRequestError, ModelUnavailableError, ProviderResponseError
from local.openai_stand_in import StandIn
from tests.module import Module, event_for, fetch


def models_asked(stand_in: StandIn) -> list[str]:
    return [entry["model"] for entry in stand_in.ledger()["recent"]]


def test_the_picture_is_the_one_that_the_provider_gave(module: Module, stand_in: StandIn) -> None:
    answer = module.invoke(
        event_for("", config={"credentials_id": "credencial-openai", "prompt": "a lighthouse", "size": "512x512"})
    )
    picture = fetch(answer["data"]["urlPath"])
    ledger = stand_in.ledger()
    assert (ledger["requests"], ledger["billed"]) == (1, 1)
    assert hashlib.sha256(picture).hexdigest() == ledger["last_picture_sha256"]
    assert picture[16:24] == (1024).to_bytes(4, "big") * 2  # PNG's IHDR: width, height


def test_a_retired_model_is_survived_and_remembered(module: Module, stand_in: StandIn) -> None:
    module.restart(IMAGE_MODELS="gpt-image-1,gpt-image-2")
    assert module.invoke(event_for("a lighthouse"))["_meta_"]["model"] == "gpt-image-2"
    assert module.invoke(event_for("a harbour"))["_meta_"]["model"] == "gpt-image-2"
    assert models_asked(stand_in) == ["gpt-image-1", "gpt-image-2", "gpt-image-2"]
    assert stand_in.ledger()["billed"] == 2


@pytest.mark.parametrize("form", ["model_not_found", "model_does_not_exist"])
def test_both_forms_of_the_answer_are_understood(module: Module, stand_in: StandIn, form: str) -> None:
    stand_in.script(form)
    assert module.invoke(event_for("a lighthouse"))["_meta_"]["model"] == "gpt-image-2"


def test_no_model_left_is_an_error_that_may_be_mended(module: Module, stand_in: StandIn) -> None:
    module.restart(IMAGE_MODELS="gpt-image-1,dall-e-2")
    event = event_for("a lighthouse", idempotency_key="k")
    with pytest.raises(ModelUnavailableError, match=r"gpt-image-1, dall-e-2.*IMAGE_MODELS"):
        module.invoke(event)
    with pytest.raises(ModelUnavailableError):
        module.invoke(event)
    assert stand_in.ledger()["requests"] == 4, "a wrong memory of the list must not last"
    assert stand_in.ledger()["billed"] == 0


def test_a_fallback_is_asked_for_no_quality_that_it_does_not_know(module: Module) -> None:
    module.restart(IMAGE_MODELS="gpt-image-1,gpt-image-2", IMAGE_QUALITY="max")
    high = 7024  # what gpt-image-2 takes at 1024x1024
    assert module.invoke(event_for("a lighthouse"))["_meta_"]["usage"]["output_tokens"] == high


def test_too_long_a_prompt_for_the_model_that_is_left_is_told_as_what_it_is(module: Module) -> None:
    module.restart(IMAGE_MODELS="gpt-image-1,dall-e-3")
    with pytest.raises(ModelUnavailableError, match="models gpt-image-1; dall-e-3 takes no prompt of 4001 characters"):
        module.invoke(event_for("x" * 4_001))


def test_what_one_key_may_not_use_another_may(module: Module, stand_in: StandIn) -> None:
    module.account.create_secret({"apiKey": "sk-second"}, owner="cli_2")
    stand_in.accept_keys({stand_in.api_key, "sk-second"})
    stand_in.script("model_not_found")
    assert module.invoke(event_for("a lighthouse"))["_meta_"]["model"] == "gpt-image-2"
    assert module.invoke(event_for("a lighthouse", client_id=2))["_meta_"]["model"] == "gpt-image-2.6-flare"


def test_a_host_that_gives_both_is_quoted_and_not_fetched_from(module: Module, stand_in: StandIn) -> None:
    url = "https://pictures.example/1.png"
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    stand_in.script({"fault": "status", "status": 200, "body": {"data": [{"b64_json": picture, "url": url}]}})
    answer = module.invoke(event_for("a lighthouse"))
    assert answer["data"]["imageUrl"] == url
    assert fetch(answer["data"]["urlPath"]) == base64.b64decode(picture)


def test_another_providers_models_are_another_list(module: Module) -> None:
    module.restart(IMAGE_MODELS="dall-e-3,gpt-image-2")
    assert module.invoke(event_for("a lighthouse"))["_meta_"]["model"] == "gpt-image-2"
    with StandIn(dall_e_3=True) as other:
        secret = {"apiKey": other.api_key, "baseUrl": other.base_url}
        module.account.create_secret(secret, owner="cli_2")
        answer = module.invoke(event_for("a lighthouse", client_id=2))
    assert answer["_meta_"]["model"] == "dall-e-3"


def test_dall_e_3_answers_by_url(module: Module, stand_in: StandIn) -> None:
    stand_in.dall_e_3 = True
    module.restart(IMAGE_MODELS="dall-e-3")
    answer = module.invoke(event_for("a lighthouse"))
    assert answer["data"]["imageUrl"].startswith(stand_in.url)
    assert answer["data"]["imageUrl"] != answer["data"]["urlPath"]
    assert fetch(answer["data"]["urlPath"]) == fetch(answer["data"]["imageUrl"])
    assert answer["_meta_"]["cost_usd"] == 0.04
    assert "usage" not in answer["_meta_"]
    assert stand_in.ledger()["downloads_with_authorization"] == 0


def test_a_prompt_too_long_for_one_model_goes_to_the_next(module: Module, stand_in: StandIn) -> None:
    stand_in.dall_e_3 = True
    module.restart(IMAGE_MODELS="dall-e-3,gpt-image-2")
    assert module.invoke(event_for("p" * 4_001))["_meta_"]["model"] == "gpt-image-2"
    assert models_asked(stand_in) == ["gpt-image-2"]
    with pytest.raises(InvalidRequestError, match="the models take 32000"):
        module.invoke(event_for("p" * 32_001))
    module.restart(IMAGE_MODELS="dall-e-3")
    with pytest.raises(InvalidRequestError, match="the models take 4000"):
        module.invoke(event_for("p" * 4_001))


@pytest.mark.parametrize(
    ("fault", "extension", "content_type"),
    [
        ("picture_jpeg", ".jpg", "image/jpeg"),
        ("picture_webp", ".webp", "image/webp"),
        ("base64_data_url", ".png", "image/png"),
    ],
)
def test_the_bytes_decide_the_type(
    module: Module, stand_in: StandIn, fault: str, extension: str, content_type: str
) -> None:
    stand_in.script(fault)
    answer = module.invoke(event_for("a lighthouse"))
    assert answer["_meta_"]["content_type"] == content_type
    assert answer["_meta_"]["key"].endswith(extension)
    response = requests.get(answer["data"]["urlPath"], timeout=10)
    assert response.headers["Content-Type"] == content_type


@pytest.mark.parametrize(
    "fault",
    [
        "data_empty", "data_null", "data_absent", "entry_empty", "body_not_json", "body_not_an_object", "body_empty",
        "base64_invalid", "picture_html", "picture_svg", "picture_empty", "url_html",
        "url_ftp", "url_file", "url_not_a_url",
    ],
)  # fmt: skip
def test_an_answer_without_a_picture_is_final(module: Module, stand_in: StandIn, fault: str) -> None:
    stand_in.script(fault)
    event = event_for("a lighthouse", idempotency_key="k")
    for _ in range(2):
        with pytest.raises(ProviderResponseError, match="may have been billed"):
            module.invoke(event)
    assert stand_in.ledger()["requests"] == 1
    (only,) = module.keys()
    assert only.endswith(".json")


def test_an_endless_answer_is_not_read_to_its_end(module: Module, stand_in: StandIn) -> None:
    stand_in.script("body_oversize", size=70 * 1024 * 1024)
    with pytest.raises(ProviderResponseError, match="no such picture"):
        module.invoke(event_for("a lighthouse"))


def test_a_url_too_long_for_the_answer_is_none(module: Module, stand_in: StandIn) -> None:
    stand_in.script("url", url="https://pictures.example/" + "a" * 9_000)
    with pytest.raises(ProviderResponseError):
        module.invoke(event_for("a lighthouse"))
