"""What a request is known by: its picture's id, and the hash of what decides the picture."""

import hashlib
import json
from uuid import uuid5

from generate_image.request import ImageRequest
from generate_image.settings import Settings


def image_id(request: ImageRequest, settings: Settings) -> str:
    """Return the id of the picture that a request asks for; the same for all requests of a client with the same key."""
    return str(uuid5(settings.image_namespace, f"{request.client_id}/{request.idempotency_key}"))


def request_hash(request: ImageRequest, settings: Settings) -> str:
    """Return the hash by which another request under the same key is found out.

    It is salted with the stack's GUID: it also stands in the picture's metadata, where no prompt may be tried.
    """
    decisive = [request.prompt, request.credentials_id, settings.image_models, settings.image_quality]
    return hashlib.sha256(settings.image_namespace.bytes + json.dumps(decisive).encode()).hexdigest()
