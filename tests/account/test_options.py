"""The options of one picture, over real HTTP: formats and prices, and the HTTP API."""

import json
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from local.http_api import http_api
from local.openai_stand_in import StandIn
from tests.contract import assert_in_contract
from tests.module import Module, fetch


def event(options: object) -> dict[str, Any]:
    config = {"credentials_id": "credencial-openai", "prompt": "Un faro", "options": options}
    return {"client_id": 1, "config": config, "idempotency_key": "k"}


@pytest.mark.parametrize(
    ("options", "extension", "picture_format", "size", "tokens"),
    [
        ({"output_format": "png", "size": "1024x1536", "quality": "low"}, ".png", "PNG", (1024, 1536), 158),
        ({"output_format": "jpeg", "output_compression": 60, "quality": "max"}, ".jpg", "JPEG", (1024, 1024), 7024),
        ({"output_format": "webp", "background": "transparent"}, ".webp", "WEBP", (1024, 1024), 439),
    ],
)
def test_picture_has_the_requested_options(
    module: Module, options: dict[str, Any], extension: str, picture_format: str, size: tuple[int, int], tokens: int
) -> None:
    module.restart(MONTHLY_BUDGET_USD="5", IMAGE_MODELS="gpt-image-2.5-flare")
    answer, replay = module.invoke(event(options)), module.invoke(event(options))

    meta = answer["_meta_"]
    image = Image.open(BytesIO(fetch(answer["data"]["urlPath"])))
    assert (image.format, image.size) == (picture_format, size)
    assert meta["key"].endswith(extension)
    assert meta["content_type"] == f"image/{picture_format.lower()}"
    assert meta["options"] == replay["_meta_"]["options"] == options
    assert replay["_meta_"]["replayed"] is True
    assert meta["usage"]["output_tokens"] == tokens
    assert meta["cost_usd"] == round(module.stand_in.ledger()["usd"], 4)
    assert not any("SettledAboveReservation" in line for line in module.metrics()), "the bound ignores the options"


def test_http_api_and_state_machine_pass_options_on(module: Module, stand_in: StandIn) -> None:
    settings = module.account.settings | {"OPENAI_BASE_URL": stand_in.base_url}
    with http_api(module.account, settings, module.log, sleep=lambda _: None) as gateway:

        def post(options: object) -> tuple[int, dict[str, Any]]:
            body = json.dumps(event(options)).encode()
            response = gateway.answer("POST", "/clients/1/images", {"Content-Type": "application/json"}, body)
            assert_in_contract("POST", "/clients/1/images", response.status, response.headers, response.body)
            return response.status, json.loads(response.body)

        wrong, problem = post({"quality": "best", "moderation": "low"})
        assert stand_in.ledger()["requests"] == 0
        (bought, answer), (reused, _) = post({"quality": "low"}), post({})

    assert (wrong, bought, reused) == (400, 200, 422)
    assert {error["field"] for error in problem["errors"]} == {"config.options.quality", "config.options.moderation"}
    assert answer["_meta_"]["options"] == {"quality": "low"}
    assert stand_in.ledger()["billed"] == 1
