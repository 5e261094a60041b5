"""What an operator can set, read from the environment on first use."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import urlsplit
from uuid import UUID

from generate_image.errors import ConfigurationError

WhenOutcomeUnknown = Literal["fail", "buy-again"]

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
QUALITIES = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings, each named as its environment variable in lower case."""

    image_bucket: str
    image_namespace: UUID
    """Makes image ids of this stack its own: they cannot be guessed from a client and a key."""
    credentials_prefix: str = "generate-image"
    image_models: tuple[str, ...] = ("gpt-image-2.6-flare", "gpt-image-2")
    """In order of preference."""
    image_quality: str = "medium"
    openai_base_url: str = "https://api.openai.com/v1"
    download_hosts: tuple[str, ...] = ()
    """Host names, or ``.suffixes`` of them, that pictures may be fetched from besides the provider's own."""
    when_outcome_unknown: WhenOutcomeUnknown = "fail"
    download_url_seconds: int = 3600

    state_machine_arn: str = ""
    """What the HTTP API starts; without one, it buys in place."""
    jwt_client_claim: str = ""
    """The claim of a token that names its client; without one, API Gateway's own authorization is all there is."""

    @classmethod
    def from_mapping(cls, environ: Mapping[str, str]) -> "Settings":
        """Return the settings in ``environ``; an empty value counts as none.

        Raises ConfigurationError, which names every setting that is wrong and says what it must be.
        """
        values: dict[str, object] = {}
        problems = []
        for name, parse in _PARSERS.items():
            text = environ.get(name, "").strip()
            if not text and name not in _REQUIRED:
                continue
            try:
                values[name.lower()] = parse(text)
            except ValueError as error:
                problems.append({"field": name, "problem": f"must be {error}"})
        if problems:
            listed = "; ".join(f"{problem['field']} {problem['problem']}" for problem in problems)
            raise ConfigurationError(f"The function's settings are wrong. {listed}.", errors=problems)
        return cls(**values)  # type: ignore[arg-type]  # _PARSERS gives each field its type


def is_base_url(text: str) -> bool:
    """Tell whether the Images protocol may be spoken to ``text``: https, or http on this machine."""
    try:
        parts = urlsplit(text)
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)
        return secure and bool(parts.hostname) and parts.port != 0 and not (parts.username or parts.query)
    except ValueError:
        return False


def _matching(pattern: str, wanted: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError(wanted)
        return text

    return parse


def _list_of(pattern: str, wanted: str) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        items = tuple(item.strip() for item in text.split(",") if item.strip())
        if not items or not all(re.fullmatch(pattern, item, re.ASCII) for item in items):
            raise ValueError(wanted)
        return items

    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return parse


def _guid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValueError("a GUID, such as the last part of the stack's id") from None


def _base_url(text: str) -> str:
    if not is_base_url(text):
        raise ValueError("an https URL, such as https://api.openai.com/v1")
    return text.rstrip("/")


def _link_seconds(text: str) -> int:
    shortest, longest = 60, 3600  # a link signed by a role dies with the role's session: docs/decisions/0006-links.md
    if not (text.isascii() and text.isdigit() and shortest <= int(text) <= longest):
        raise ValueError(f"a whole number of seconds from {shortest} to {longest}")
    return int(text)


_REQUIRED = frozenset({"IMAGE_BUCKET", "IMAGE_NAMESPACE"})
_PARSERS: Mapping[str, Callable[[str], object]] = {
    "STATE_MACHINE_ARN": _matching(
        r"arn:[\w-]+:states:[\w-]+:[0-9]{12}:stateMachine:[\w-]{1,80}", "a state machine's ARN"
    ),
    "JWT_CLIENT_CLAIM": _matching(r"[\w:./-]{1,128}", "the name of a claim, such as client_id"),
    "IMAGE_BUCKET": _matching(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of an S3 bucket"),
    "IMAGE_NAMESPACE": _guid,
    "CREDENTIALS_PREFIX": _matching(r"[\w+=.@-]+(/[\w+=.@-]+)*", "a path of names such as generate-image"),
    "IMAGE_MODELS": _list_of(r"[\w.:/-]{1,128}", "a comma-separated list of model names"),
    "IMAGE_QUALITY": _one_of(*QUALITIES),
    "OPENAI_BASE_URL": _base_url,
    "DOWNLOAD_HOSTS": _list_of(r"\.?[\w-]+(\.[\w-]+)*", "a comma-separated list of host names or .suffixes"),
    "WHEN_OUTCOME_UNKNOWN": _one_of(*get_args(WhenOutcomeUnknown)),
    "DOWNLOAD_URL_SECONDS": _link_seconds,
}
