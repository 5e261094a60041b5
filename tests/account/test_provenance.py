"""A picture keeps the manifest that the provider signed: in both dialects, and behind both kinds of links."""

import base64
import socket
from collections.abc import Callable
from io import BytesIO
from typing import IO, Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from generate_image.aws.pictures import PictureStore
from generate_image.functions import generate_image
from generate_image.functions._runtime import Environment, with_boundary
from generate_image.functions.generate_image import Parts
from generate_image.picture import BoughtPicture, StoredPicture
from generate_image.settings import Settings
from local.account import BUCKET
from tests.account.provider_server import ProviderServer, Request, Responder, respond
from tests.events import event_for
from tests.module import Module, fetch
from tests.signed_pictures import plain_picture, signed_picture, verdict

DOMAIN = "d111111abcdef8.cloudfront.net"
FORMATS = ("png", "jpeg", "webp")


def inline(picture: bytes) -> Responder:
    """Return the response of a GPT image model."""
    return respond(200, {"data": [{"b64_json": base64.b64encode(picture).decode()}]})


def by_url(picture: bytes) -> Responder:
    """Return a provider of dall-e-3: a response with a URL, and the picture behind it."""

    def responder(connection: socket.socket, request: Request) -> None:
        root = f"http://{request.headers['host']}"
        reply = respond(200, picture) if request.method == "GET" else respond(200, {"data": [{"url": f"{root}/p"}]})
        reply(connection, request)

    return responder


DIALECTS: dict[str, Callable[[bytes], Responder]] = {"gpt-image-2": inline, "dall-e-3": by_url}


def buy(module: Module, model: str, picture: bytes, **options: str) -> dict[str, Any]:
    """Return the answer for a picture that a provider returns."""
    with ProviderServer(DIALECTS[model](picture)) as server:
        module.restart(IMAGE_MODELS=model, OPENAI_BASE_URL=server.base_url)
        config = {"credentials_id": "credencial-openai", "prompt": "a lighthouse", "options": options}
        return module.invoke(event_for("", config=config, idempotency_key="k"))


class ReEncodingStore(PictureStore):
    """Writes the picture's pixels, not its bytes."""

    def put(self, stored: StoredPicture, bought: BoughtPicture, request_hash: str, content: IO[bytes]) -> None:
        content.seek(0)
        buffer, image = BytesIO(), Image.open(content)
        image.save(buffer, image.format)
        super().put(stored, bought, request_hash, buffer)


@pytest.mark.parametrize("picture_format", FORMATS)
@pytest.mark.parametrize("model", DIALECTS)
def test_signature_is_valid_behind_a_presigned_link(module: Module, model: str, picture_format: str) -> None:
    answer = buy(module, model, signed_picture(picture_format))

    assert verdict(fetch(answer["data"]["urlPath"]), picture_format) == "Valid"
    assert answer["_meta_"]["content_credentials"] == "present"


@pytest.mark.parametrize("model", DIALECTS)
def test_signature_is_valid_behind_a_cloudfront_link(module: Module, model: str) -> None:
    module.restart(CLOUDFRONT_DOMAIN=DOMAIN)
    link = urlsplit(buy(module, model, signed_picture("png"))["data"]["urlPath"])

    assert link.hostname == DOMAIN
    # The template's distribution maps /download/ to temporal/, and changes no byte.
    key = link.path.replace("/download/", "temporal/")
    served = module.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert verdict(served, "png") == "Valid"


@pytest.mark.parametrize("picture_format", FORMATS)
def test_re_encoded_picture_has_no_valid_signature(module: Module, picture_format: str) -> None:
    """The tests above fail when the bytes change."""
    with ProviderServer(inline(signed_picture(picture_format))) as server:
        environment = Environment(
            settings=Settings.from_mapping(module.environ | {"OPENAI_BASE_URL": server.base_url}),
            log=module._log,
            clients=module.clients,
            margin=0,
        )
        serve = generate_image.build(environment, parts=Parts(pictures=ReEncodingStore))
        module.function = with_boundary(serve, environment)
        answer = module.invoke(event_for("a lighthouse"))

    with pytest.raises(Exception, match="ManifestNotFound"):
        verdict(fetch(answer["data"]["urlPath"]), picture_format)


def test_result_is_kept_and_counted_by_model(module: Module) -> None:
    answer = buy(module, "gpt-image-2", plain_picture("png"))
    replay = buy(module, "gpt-image-2", b"")

    assert [found["_meta_"]["content_credentials"] for found in (answer, replay)] == ["absent", "absent"]
    head = module.s3.head_object(Bucket=BUCKET, Key=answer["_meta_"]["key"])
    assert head["Metadata"]["content-credentials"] == "absent"
    [counted] = [line for line in module.metrics() if "ContentCredentials" in line]
    assert (counted["model"], counted["ContentCredentials"]) == ("gpt-image-2", [0.0])
