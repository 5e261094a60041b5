"""Reads the documents of the Batch API."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from generate_image.errors import ProviderResponseError
from generate_image.provider.connection import ProviderResponse
from generate_image.provider.errors import BAD_REQUEST, NOT_FOUND


class Batch(NamedTuple):
    """A batch. codes: of its errors, if it failed. created_at: seconds since the epoch. completed: requests."""

    id: str
    status: str
    input_file_id: str
    output_file_id: str | None
    error_file_id: str | None
    codes: frozenset[str]
    created_at: float
    completed: int


def read_object(response: ProviderResponse) -> dict[str, Any]:
    """Return the JSON object of a success. Raises ProviderResponseError."""
    try:
        document = json.loads(response.content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ProviderResponseError("The provider's response is no JSON object.")
    return document


def read_id(document: Mapping[str, Any]) -> str:
    """Return the id of a file or a batch. Raises ProviderResponseError."""
    found = document.get("id")
    if not isinstance(found, str) or not found:
        raise ProviderResponseError("The provider's response has no id.")
    return found


def read_batch(document: Mapping[str, Any]) -> Batch:
    """Return the batch in a document. Raises ProviderResponseError if it has no id."""
    errors, counts = document.get("errors"), document.get("request_counts")
    codes = {error.get("code") for error in read_list(errors)} if isinstance(errors, dict) else set()
    completed = counts.get("completed") if isinstance(counts, dict) else 0
    created = document.get("created_at")
    return Batch(
        id=read_id(document),
        status=str(document.get("status")),
        input_file_id=str(document.get("input_file_id")),
        output_file_id=document.get("output_file_id") or None,
        error_file_id=document.get("error_file_id") or None,
        codes=frozenset(code for code in codes if isinstance(code, str)),
        created_at=float(created) if isinstance(created, int | float) else 0.0,
        completed=completed if isinstance(completed, int) else 0,
    )


def read_list(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the objects of a list; an empty list if it has another form."""
    entries = document.get("data")
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def is_missing_file(response: ProviderResponse) -> bool:
    """Return whether the provider refuses a batch because it does not find the input file."""
    if response.status not in {BAD_REQUEST, NOT_FOUND}:
        return False
    try:
        error = json.loads(response.content)["error"]
        return error.get("param") in {"file_id", "input_file_id"} or "cannot find file" in str(error["message"]).lower()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
