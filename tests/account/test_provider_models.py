"""The list of models, of which some do not exist, and both dialects."""

import json
import socket

import pytest

from generate_image.credentials import Credentials
from generate_image.errors import ModelUnavailableError
from generate_image.picture import BoughtPicture
from generate_image.provider.images_api import MISSING_SECONDS, Purchase
from tests.account.buyer import FIRST, SECOND, Buyer
from tests.provider_server import (
    ProviderServer,
    Request,
    Responder,
    picture,
    refuse,
    respond,
)


def without(*missing: str) -> Responder:
    """Return a provider that does not have these models."""

    def responder(connection: socket.socket, request: Request) -> None:
        (refuse(404, "model_not_found") if request.model in missing else picture())(connection, request)

    return responder


def models_in(server: ProviderServer) -> list[str]:
    return [request.model for request in server.requests]


def test_missing_model_is_skipped_for_an_hour() -> None:
    with ProviderServer(without(FIRST)) as server:
        buyer = Buyer(server.base_url, FIRST, SECOND, seconds=2 * MISSING_SECONDS)
        assert buyer.buy().picture.model == SECOND
        assert buyer.buy().picture.model == SECOND
        assert models_in(server) == [FIRST, SECOND, SECOND]
        buyer.clock.pass_by(MISSING_SECONDS)
        assert buyer.buy().picture.model == SECOND
    assert models_in(server)[3:] == [FIRST, SECOND]


def test_missing_model_of_one_key_is_used_with_another() -> None:
    with ProviderServer(refuse(404, "model_not_found"), picture()) as server:
        buyer = Buyer(server.base_url, FIRST, SECOND)
        assert buyer.buy().picture.model == SECOND
        assert buyer.buy(Credentials("sk-two")).picture.model == FIRST


def test_no_model_left_is_an_error_and_forgotten() -> None:
    with ProviderServer(without(FIRST, SECOND)) as server:
        buyer = Buyer(server.base_url, FIRST, SECOND)
        for _ in range(2):
            with pytest.raises(ModelUnavailableError, match=rf"{FIRST}, {SECOND}.*IMAGE_MODELS"):
                buyer.buy()
    assert models_in(server) == [FIRST, SECOND, FIRST, SECOND]


def test_long_prompt_skips_models_that_take_shorter_ones() -> None:
    with ProviderServer(picture()) as server:
        assert Buyer(server.base_url, "dall-e-3", SECOND).buy(prompt="p" * 4_001).picture.model == SECOND
    server = ProviderServer(without(SECOND))
    with server, pytest.raises(ModelUnavailableError, match="dall-e-3 takes no prompt of 4001 characters"):
        Buyer(server.base_url, SECOND, "dall-e-3").buy(prompt="p" * 4_001)


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (FIRST, {"quality": "max", "output_format": "png"}),
        (SECOND, {"quality": "high", "output_format": "png"}),
        ("dall-e-3", {"quality": "standard", "response_format": "url"}),
    ],
)
def test_request_has_the_parameters_of_the_model(model: str, parameters: dict[str, str]) -> None:
    with ProviderServer(picture()) as server:
        Buyer(server.base_url, model, quality="max").buy()
    common = {"model": model, "prompt": "a lighthouse", "n": 1, "size": "1024x1024"}
    assert json.loads(server.requests[0].body) == common | parameters


def test_dall_e_model_returns_a_url() -> None:
    url = "https://pictures.example/1.png"
    with ProviderServer(respond(200, {"data": [{"url": url}]})) as server:
        bought = Buyer(server.base_url, "dall-e-3").buy()
    assert bought == Purchase(BoughtPicture("dall-e-3", None, None, 0.04, url), 0, None)
