"""What is known of a bought picture, as the record keeps it and as the picture's own metadata does.

The metadata is what a record is finished from when the call that bought the picture ended before it could.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from generate_image.prices import cost_usd
from generate_image.storage import StoredPicture

if TYPE_CHECKING:
    from generate_image.openai_images import Purchase

COUNTS = ("input_tokens", "output_tokens", "total_tokens")


def details_of(purchase: "Purchase") -> dict[str, Any]:
    """Return what a record keeps of a purchase; what is not known is left out."""
    return _details(purchase.model, purchase.request_id, purchase.usage, purchase.url)


def to_metadata(request_hash: str, details: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata of the picture's S3 object: never the prompt, and never a URL that opens something."""
    metadata = {"request-hash": request_hash, "model": details["model"]}
    if "openai_request_id" in details:
        metadata["openai-request-id"] = details["openai_request_id"]
    for name, count in details.get("usage", {}).items():
        metadata[name.replace("_", "-")] = str(count)
    return metadata


def details_found(picture: StoredPicture) -> dict[str, Any]:
    """Return the details of a picture that was found in S3, from its metadata."""
    metadata = picture.metadata
    counts = {name: metadata.get(name.replace("_", "-"), "") for name in COUNTS}
    known = {name: int(count) for name, count in counts.items() if count.isdecimal()}
    usage = known if len(known) == len(counts) else None
    details = _details(metadata["model"], metadata.get("openai-request-id"), usage, None)
    return details | {"key": picture.key, "content_type": picture.content_type, "stored_at": picture.stored_at}


def _details(model: str, request_id: str | None, usage: Mapping[str, int] | None, url: str | None) -> dict[str, Any]:
    details = {
        "model": model,
        "openai_request_id": request_id,
        "usage": usage,
        "cost_usd": cost_usd(model, usage),
        "source_url": url,
    }
    return {name: value for name, value in details.items() if value is not None}
