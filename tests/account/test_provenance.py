"""A picture keeps the manifest that the provider signed: in both dialects, and behind both kinds of links."""

import base64
import json
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from c2pa import Reader  # type: ignore[import-untyped]
from PIL import Image

from local.account import BUCKET
from local.openai_stand_in import StandIn
from local.openai_stand_in.content_credentials import sign
from local.provider import provider
from tests.events import event_for
from tests.module import Module, fetch

DOMAIN = "d111111abcdef8.cloudfront.net"
FORMATS = ("png", "jpeg", "webp")


@pytest.fixture
def stand_in(stand_in: StandIn) -> StandIn:
    """Sign the pictures."""
    stand_in.sign = sign
    return stand_in


def buy(module: Module, picture_format: str) -> dict[str, Any]:
    """Return the answer for one request; a second call is a replay."""
    options = {"output_format": picture_format}
    config = {"credentials_id": "credencial-openai", "prompt": "a lighthouse", "options": options}
    return module.invoke(event_for("", config=config, idempotency_key="k"))


def verdict(picture: bytes, picture_format: str) -> str:
    """Return the official library's verdict on a picture's manifest: Valid, Trusted or Invalid."""
    with Reader(f"image/{picture_format}", BytesIO(picture)) as reader:
        return str(json.loads(reader.json())["validation_state"])


@pytest.mark.parametrize("picture_format", FORMATS)
@pytest.mark.parametrize("dialect", [(), ("url",)], ids=["inline", "by URL"])
def test_signature_is_valid_behind_both_links(module: Module, dialect: tuple[str, ...], picture_format: str) -> None:
    module.stand_in.script(*dialect)
    presigned = buy(module, picture_format)["data"]["urlPath"]
    module.restart(CLOUDFRONT_DOMAIN=DOMAIN)
    link = urlsplit(buy(module, picture_format)["data"]["urlPath"])

    assert module.stand_in.ledger()["downloads"] == len(dialect)
    assert verdict(fetch(presigned), picture_format) == "Valid"
    assert link.hostname == DOMAIN
    # The template's distribution maps /download/ to temporal/, and changes no byte.
    served = module.s3.get_object(Bucket=BUCKET, Key=link.path.replace("/download/", "temporal/"))["Body"].read()
    assert verdict(served, picture_format) == "Valid"


@pytest.mark.parametrize("picture_format", FORMATS)
def test_re_encoded_picture_has_no_valid_signature(module: Module, picture_format: str) -> None:
    """The test above fails when the bytes change."""
    re_encoded = BytesIO()
    Image.open(BytesIO(fetch(buy(module, picture_format)["data"]["urlPath"]))).save(re_encoded, picture_format)

    with pytest.raises(Exception, match="ManifestNotFound"):
        verdict(re_encoded.getvalue(), picture_format)


@pytest.mark.parametrize(("model", "expected"), [("gpt-image-2", "present"), ("dall-e-3", "absent")])
def test_result_is_kept_and_counted_by_model(module: Module, model: str, expected: str) -> None:
    module.stand_in.dall_e_3 = True
    module.restart(IMAGE_MODELS=model)
    event = event_for("a lighthouse", idempotency_key="k")
    answer, replay = module.invoke(event), module.invoke(event)

    assert [found["_meta_"]["content_credentials"] for found in (answer, replay)] == [expected, expected]
    head = module.s3.head_object(Bucket=BUCKET, Key=answer["_meta_"]["key"])
    assert head["Metadata"]["content-credentials"] == expected
    [counted] = [line for line in module.metrics() if "ContentCredentials" in line]
    assert (counted["model"], counted["ContentCredentials"]) == (model, [1.0 if expected == "present" else 0.0])


def test_local_command_signs_when_its_variable_is_set() -> None:
    with provider({"SIGN_PICTURES": "1"}, "https://provider.example/v1") as used:
        response = requests.post(
            f"{used.settings['OPENAI_BASE_URL']}/images/generations",
            json={"model": "gpt-image-2", "prompt": "a lighthouse"},
            headers={"Authorization": f"Bearer {used.secret['apiKey']}"},
            timeout=30,
        )
    assert verdict(base64.b64decode(response.json()["data"][0]["b64_json"]), "png") == "Valid"
