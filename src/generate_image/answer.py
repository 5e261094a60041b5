"""The module's answer for a stored picture."""

from collections.abc import Mapping
from typing import Any

from generate_image.aws.links import Link
from generate_image.options import for_model
from generate_image.record import Record

TOKENS_CONSUMED = 0.4
"""The flow engine's fixed reference figure. ``usage`` and ``cost_usd`` are the true figures."""


def answer(
    record: Record, link: Link, bucket: str, passed_through: Mapping[str, Any], *, replayed: bool
) -> dict[str, Any]:
    """Return the module's answer for a stored picture.

    passed_through: ``nextModule`` if present, and ``data`` in persistent mode, which the answer repeats with the three
    links. ``usage``, ``cost_usd`` and ``openai_request_id`` are absent if they are not known, ``options`` if none were
    given, ``content_credentials`` for a picture of version 1.
    """
    bought, stored = record.require_bought(), record.require_stored()
    links = {
        "imageUrl": bought.source_url or link.url,
        "urlPath": link.url,
        "localPath": f"s3://{bucket}/{stored.key}",
    }
    meta = {
        "prompt": record.prompt,
        "tokens_consumed": TOKENS_CONSUMED,
        "image_id": record.image_id,
        "model": bought.model,
        "bucket": bucket,
        "key": stored.key,
        "content_type": stored.content_type,
        "content_credentials": stored.content_credentials,
        "url_expires_at": link.expires_at,
        "usage": bought.usage._asdict() if bought.usage else None,
        "cost_usd": bought.cost_usd,
        "openai_request_id": bought.openai_request_id,
        "options": dict(for_model(bought.model, record.options)) or None,
        "replayed": replayed,
    }
    result: dict[str, Any] = {}
    if "nextModule" in passed_through:
        result["nextModule"] = passed_through["nextModule"]
    result["data"] = {**passed_through.get("data", {}), **links}
    result["_meta_"] = {name: value for name, value in meta.items() if value is not None}
    return result
