"""What an operator can set, read from the environment on first use."""

import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import urlsplit
from uuid import UUID

from generate_image.errors import ConfigurationError

WhenOutcomeUnknown = Literal["fail", "buy-again"]

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
CONTAINER_HOST = "host.docker.internal"
"""The developer's machine, seen from a container of `sam local`. Nobody can own it: ``.internal`` is reserved."""
LONGEST_PRESIGNED_SECONDS = 3600
"""A link signed by a role dies with the role's session: docs/decisions/0006-links.md."""
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
    picture_retention_days: int = 7
    """After which the bucket's lifecycle rule deletes a picture."""
    download_url_seconds: int = 3600
    """How long a link's signature holds."""
    cloudfront_domain: str = ""
    """The distribution in front of the bucket; without one, links lead to the bucket itself."""
    cloudfront_key_pair_id: str = ""
    """CloudFront's id of the public key that links are signed for; without one, they are open."""
    cloudfront_private_key_secret: str = ""
    """The secret that holds the private key, as PEM text."""

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
        problems += _contradictions({name for name in _PARSERS if environ.get(name, "").strip()}, values)
        if problems:
            listed = "; ".join(f"{problem['field']} {problem['problem']}" for problem in problems)
            raise ConfigurationError(f"The function's settings are wrong. {listed}.", errors=problems)
        return cls(**values)  # type: ignore[arg-type]  # _PARSERS gives each field its type


def is_base_url(text: str) -> bool:
    """Tell whether the Images protocol may be spoken to ``text``: https, or http on this machine."""
    try:
        parts = urlsplit(text)
        on_this_machine = parts.hostname in LOOPBACK_HOSTS or parts.hostname == CONTAINER_HOST
        secure = parts.scheme == "https" or (parts.scheme == "http" and on_this_machine)
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


def _whole_number(shortest: int, longest: int, unit: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not shortest <= int(text) <= longest:
            raise ValueError(f"a whole number of {unit} from {shortest} to {longest}")
        return int(text)

    return parse


def _contradictions(given: AbstractSet[str], values: Mapping[str, object]) -> list[dict[str, str]]:
    """Return the problems of settings that are each right and do not go together. given: the names that are set."""
    problems = []
    if given & _SIGNING:
        problems = [
            {"field": name, "problem": f"must be set where {' or '.join(sorted(given & _SIGNING))} is"}
            for name in sorted({"CLOUDFRONT_DOMAIN", *_SIGNING} - given)
        ]
    seconds = values.get("download_url_seconds", 0)
    presigned = not given & {"CLOUDFRONT_DOMAIN", *_SIGNING}
    if isinstance(seconds, int) and seconds > LONGEST_PRESIGNED_SECONDS and presigned:
        problem = f"must be at most {LONGEST_PRESIGNED_SECONDS} where links lead to the bucket itself"
        problems.append({"field": "DOWNLOAD_URL_SECONDS", "problem": problem})
    return problems


_REQUIRED = frozenset({"IMAGE_BUCKET", "IMAGE_NAMESPACE"})
_SIGNING = frozenset({"CLOUDFRONT_KEY_PAIR_ID", "CLOUDFRONT_PRIVATE_KEY_SECRET"})
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
    "PICTURE_RETENTION_DAYS": _whole_number(1, 3650, "days"),
    "DOWNLOAD_URL_SECONDS": _whole_number(60, 604_800, "seconds"),
    "CLOUDFRONT_DOMAIN": _matching(r"[a-z0-9-]+(\.[a-z0-9-]+)+", "a host name such as d111111abcdef8.cloudfront.net"),
    "CLOUDFRONT_KEY_PAIR_ID": _matching(r"[A-Z0-9]{1,64}", "the id of a public key such as K2JCJMDEHXQW5F"),
    "CLOUDFRONT_PRIVATE_KEY_SECRET": _matching(r"[\w/+=.@-]{1,512}", "the name of a secret"),
}
