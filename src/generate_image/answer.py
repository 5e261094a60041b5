"""The module's answer, told from a record."""

from collections.abc import Mapping
from typing import Any

from generate_image.links import Link
from generate_image.records import Record

TOKENS_CONSUMED = 0.4
"""The flow engine's fixed reference figure; ``usage`` and ``cost_usd`` are the true ones."""


def answer(record: Record, link: Link, bucket: str, asked: Mapping[str, Any], *, replayed: bool) -> dict[str, Any]:
    """Return the answer for a stored picture.

    asked: ``nextModule`` where the event had one, and ``data`` in persistent mode, which comes back under the three
    links. In ``_meta_``, ``usage``, ``cost_usd`` and ``openai_request_id`` are left out where they are not known.
    """
    picture = record.picture
    links = {
        "imageUrl": picture.get("source_url") or link.url,
        "urlPath": link.url,
        "localPath": f"s3://{bucket}/{picture['key']}",
    }
    meta = {
        "prompt": record.asked["prompt"],
        "tokens_consumed": TOKENS_CONSUMED,
        "image_id": record.image_id,
        "model": picture.get("model"),
        "bucket": bucket,
        "key": picture["key"],
        "content_type": picture["content_type"],
        "url_expires_at": link.expires_at,
        "usage": picture.get("usage"),
        "cost_usd": picture.get("cost_usd"),
        "openai_request_id": picture.get("openai_request_id"),
        "replayed": replayed,
    }
    result: dict[str, Any] = {}
    if "nextModule" in asked:
        result["nextModule"] = asked["nextModule"]
    result["data"] = {**asked.get("data", {}), **links}
    result["_meta_"] = {name: value for name, value in meta.items() if value is not None}
    return result
