"""The options of one picture, over real HTTP: models, formats, prices, and the three ways to give them."""

import json
import socket
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from generate_image.errors import IdempotencyKeyReusedError, InvalidRequestError, ModelUnavailableError
from generate_image.money import MicroUsd, to_usd
from generate_image.provider.models import largest_cost_of
from local.http_api import http_api
from local.openai_stand_in import StandIn
from local.state_machines import GENERATE_IMAGE
from tests.account.buyer import FIRST, KEY, SECOND, Buyer
from tests.contract import assert_in_contract
from tests.machines import Machines
from tests.module import Module, fetch
from tests.provider_server import ProviderServer, Request, picture, refuse

PROMPT = "Un faro"
MAX_PICTURE = MicroUsd(250_000)


def event(options: object, key: str = "k") -> dict[str, Any]:
    config = {"credentials_id": "credencial-openai", "prompt": PROMPT, "options": options}
    return {"client_id": 1, "config": config, "idempotency_key": key}


@pytest.mark.parametrize(
    ("options", "extension", "picture_format", "size", "tokens"),
    [
        ({"output_format": "png", "size": "1024x1536", "quality": "low"}, ".png", "PNG", (1024, 1536), 158),
        ({"output_format": "jpeg", "output_compression": 60, "quality": "xhigh"}, ".jpg", "JPEG", (1024, 1024), 3122),
        (
            {"output_format": "webp", "size": "1024x1024", "background": "transparent"},
            ".webp",
            "WEBP",
            (1024, 1024),
            439,
        ),
    ],
)
def test_picture_has_the_requested_options(
    module: Module, options: dict[str, Any], extension: str, picture_format: str, size: tuple[int, int], tokens: int
) -> None:
    answer, replay = module.invoke(event(options)), module.invoke(event(options))

    meta = answer["_meta_"]
    image = Image.open(BytesIO(fetch(answer["data"]["urlPath"])))
    assert (image.format, image.size) == (picture_format, size)
    assert meta["key"].endswith(extension)
    assert meta["content_type"] == f"image/{picture_format.lower()}"
    assert meta["options"] == replay["_meta_"]["options"] == options
    assert meta["usage"]["output_tokens"] == tokens
    assert replay["_meta_"]["replayed"] is True


def test_version_1_event_has_no_options_in_its_answer(module: Module) -> None:
    config = {"credentials_id": "credencial-openai", "prompt": PROMPT, "size": "512x512"}
    assert "options" not in module.invoke({"client_id": 1, "config": config})["_meta_"]


def test_key_with_other_options_is_refused(module: Module) -> None:
    module.invoke(event({"quality": "low"}))
    for other in ({"quality": "high"}, None):
        with pytest.raises(IdempotencyKeyReusedError, match="options"):
            module.invoke(event(other))


def test_wrong_options_spend_nothing(module: Module, stand_in: StandIn) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        module.invoke(
            event({"background": "transparent", "output_format": "jpeg", "moderation": "low"}) | {"client_id": -1}
        )

    assert {problem["field"] for problem in raised.value.errors} == {
        "client_id",
        "config.options.background",
        "config.options.moderation",
    }
    assert stand_in.ledger()["requests"] == 0
    assert module.keys() == []


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("gpt-image-2", {"quality": "high", "size": "3840x2160"}),
        ("gpt-image-2", {"quality": "low", "size": "2880x960", "output_format": "jpeg"}),
        ("gpt-image-2.5-flare", {"quality": "max", "size": "1456x1456"}),
        ("gpt-image-2.6-flare", {"quality": "max", "size": "2880x2880", "output_format": "webp"}),
        ("gpt-image-1-mini", {"quality": "high", "size": "1024x1536"}),
        ("gpt-image-1.5", {"quality": "high", "size": "1536x1024"}),
    ],
)
def test_bill_is_within_the_reservation(module: Module, stand_in: StandIn, model: str, options: dict[str, Any]) -> None:
    stand_in.shutdown_dates = {model: None}
    module.restart(IMAGE_MODELS=model, MONTHLY_BUDGET_USD="5")

    meta = module.invoke(event(options))["_meta_"]

    bound = largest_cost_of(model, PROMPT, "medium", options, MAX_PICTURE)
    assert bound is not None
    assert 0 < stand_in.ledger()["usd"] <= to_usd(bound)
    assert meta["cost_usd"] == round(stand_in.ledger()["usd"], 4)
    assert not any("SettledAboveReservation" in line for line in module.metrics())


def test_model_that_does_not_take_an_option_is_skipped() -> None:
    with ProviderServer(picture()) as server:
        buyer = Buyer(server.base_url, SECOND, FIRST)
        assert buyer.buy(options={"background": "transparent"}).picture.model == FIRST
        assert buyer.buy(options={"background": "opaque"}).picture.model == SECOND
    assert [request.model for request in server.requests] == [FIRST, SECOND]


def test_fallback_model_gets_the_nearest_quality() -> None:
    def without_first(connection: socket.socket, request: Request) -> None:
        (refuse(404, "model_not_found") if request.model == FIRST else picture())(connection, request)

    with ProviderServer(without_first) as server:
        Buyer(server.base_url, FIRST, SECOND).buy(options={"quality": "max", "size": "2048x2048"})
    qualities = [json.loads(request.body)["quality"] for request in server.requests]
    assert qualities == ["max", "high"]
    assert {json.loads(request.body)["size"] for request in server.requests} == {"2048x2048"}


def test_last_error_names_the_skipped_models() -> None:
    reasons = rf"none of the models {FIRST}; {SECOND} does not take background=transparent"
    server = ProviderServer(refuse(404, "model_not_found"))
    with server, pytest.raises(ModelUnavailableError, match=reasons):
        Buyer(server.base_url, FIRST, SECOND).buy(KEY, options={"background": "transparent"})


def test_http_api_passes_options_on(module: Module, stand_in: StandIn) -> None:
    settings = module.account.settings | {"OPENAI_BASE_URL": stand_in.base_url}
    with http_api(module.account, settings, module.log, sleep=lambda _: None) as gateway:

        def post(options: object) -> tuple[int, dict[str, Any]]:
            body = json.dumps(event(options)).encode()
            response = gateway.answer("POST", "/clients/1/images", {"Content-Type": "application/json"}, body)
            assert_in_contract("POST", "/clients/1/images", response.status, response.headers, response.body)
            return response.status, json.loads(response.body)

        (bought, answer), (reused, _), (wrong, problem) = post({"quality": "low"}), post({}), post({"quality": "best"})

    assert (bought, reused, wrong) == (200, 422, 400)
    assert answer["_meta_"]["options"] == {"quality": "low"}
    assert [error["field"] for error in problem["errors"]] == ["config.options.quality"]
    assert stand_in.ledger()["billed"] == 1


def test_step_functions_passes_options_on(module: Module, stand_in: StandIn) -> None:
    with Machines(module.account, stand_in).running() as machines:
        execution = machines.run(GENERATE_IMAGE, event({"output_format": "webp"}))
    assert execution.output["_meta_"]["options"] == {"output_format": "webp"}
