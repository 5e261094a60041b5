"""What the stand-in was asked for and what it billed. Prompts are known here by a hash alone."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from hashlib import sha256
from threading import Lock
from typing import Any

RECENT = 100


def prompt_key(prompt: str) -> str:
    """Name a prompt in the ledger: the first 16 hexadecimal digits of the SHA-256 of its UTF-8."""
    return sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass
class Entry:
    """One generation request. `status` stays None while no answer was given, or when none ever was."""

    request_id: str
    model: str | None
    prompt: str | None
    billed: bool = False
    fault: str | None = None
    status: int | None = None


class Ledger:
    """Counts, safely between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests = 0
        self._billed = 0
        self._downloads = 0
        self._downloads_with_authorization = 0
        self._by_prompt: dict[str, dict[str, int]] = {}
        self._recent: deque[Entry] = deque(maxlen=RECENT)
        self._last_picture_sha256: str | None = None

    def request(self, request_id: str, model: object, prompt: object) -> Entry:
        """Count a generation request as it arrives, whatever becomes of it."""
        entry = Entry(
            request_id,
            model if isinstance(model, str) else None,
            prompt_key(prompt) if isinstance(prompt, str) else None,
        )
        with self._lock:
            self._requests += 1
            if entry.prompt:
                self._by_prompt.setdefault(entry.prompt, {"requests": 0, "billed": 0})["requests"] += 1
            self._recent.append(entry)
        return entry

    def bill(self, entry: Entry, picture: bytes, pictures: int) -> None:
        """Bill that many pictures, of which `picture` is the first: generation is complete."""
        with self._lock:
            entry.billed = True
            self._billed += pictures
            if entry.prompt:
                self._by_prompt[entry.prompt]["billed"] += pictures
            self._last_picture_sha256 = sha256(picture).hexdigest()

    def answer(self, entry: Entry, status: int | None) -> None:
        """Note the status about to be sent."""
        with self._lock:
            entry.status = status

    def download(self, *, with_authorization: bool) -> None:
        """Count a download of a picture; an API key has no business there, so those that carry one are counted too."""
        with self._lock:
            self._downloads += 1
            self._downloads_with_authorization += with_authorization

    def as_json(self) -> dict[str, Any]:
        """Give the ledger as the control route answers it (shown in the package's docstring)."""
        with self._lock:
            return {
                "requests": self._requests,
                "billed": self._billed,
                "downloads": self._downloads,
                "downloads_with_authorization": self._downloads_with_authorization,
                "by_prompt": {prompt: dict(counts) for prompt, counts in self._by_prompt.items()},
                "recent": [asdict(entry) for entry in self._recent],
                "last_picture_sha256": self._last_picture_sha256,
            }
