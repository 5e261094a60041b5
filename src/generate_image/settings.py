"""The settings of the functions: one table of names, defaults and checks."""

import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import MISSING, Field, dataclass, fields
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit
from uuid import UUID

from generate_image.errors import ConfigurationError
from generate_image.money import NOTHING, MicroUsd, parse_usd
from generate_image.options import OPTIONS, QUALITIES

WhenOutcomeUnknown = Literal["fail", "buy-again"]
Authorization = Literal["iam", "jwt", "none"]
Check = Callable[[str], object]
"""Returns the value of a setting's text. Raises ValueError, whose message says what the text must be."""

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
CONTAINER_HOST = "host.docker.internal"
"""The developer's machine, seen from a container of `sam local`."""
LONGEST_PRESIGNED_SECONDS = 3600
"""A link signed by a role ends with the role's session: docs/decisions/0006-links.md."""


def is_base_url(text: str, *, allows_local_hosts: bool) -> bool:
    """Return whether ``text`` is a base URL of the Images API: https, or http on this machine.

    In Lambda, local hosts are refused: the Runtime API and extensions listen on loopback.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    is_local = host in LOOPBACK_HOSTS or host == CONTAINER_HOST
    has_scheme = parts.scheme == "https" or (parts.scheme == "http" and is_local)
    is_plain = not re.search(r"[\s@?#;\\]", text) and text.isascii() and bool(re.fullmatch(r"[\w.:-]+", host))
    return has_scheme and is_plain and port != 0 and (allows_local_hosts or not is_local)


def _matches(pattern: str, wanted: str) -> Check:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError(wanted)
        return text

    return check


def _list_of(pattern: str, wanted: str) -> Check:
    def check(text: str) -> tuple[str, ...]:
        items = tuple(item.strip() for item in text.split(",") if item.strip())
        if not items or not all(re.fullmatch(pattern, item, re.ASCII) for item in items):
            raise ValueError(wanted)
        return items

    return check


def _one_of(*choices: str) -> Check:
    return _matches("|".join(map(re.escape, choices)), f"one of {', '.join(choices)}")


def _options(text: str) -> tuple[str, ...]:
    if text == "none":
        return ()
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or not set(names) <= set(OPTIONS):
        raise ValueError(f"none, or a comma-separated list of {', '.join(OPTIONS)}")
    return names


def _integer(least: int, most: int, unit: str) -> Check:
    def check(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError(f"a whole number of {unit} from {least} to {most}")
        return int(text)

    return check


def _guid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValueError("a GUID, such as the last part of the stack's id") from None


def _bucket(text: str) -> str:
    # S3 Express buckets need CreateSession, which the artifact leaves out.
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", text) or text.endswith("--x-s3"):
        raise ValueError("the name of a general purpose S3 bucket")
    return text


_MOST_OF_A_PICTURE = MicroUsd(250_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Each field with a check is an environment variable, in upper case."""

    image_bucket: Annotated[str, _bucket]
    image_namespace: Annotated[UUID, _guid]
    """Makes the image ids of a stack unique. A client and a key alone do not reveal them."""
    credentials_prefix: Annotated[
        str, _matches(r"[\w+=.@-]+(/[\w+=.@-]+)*", "a path of names such as generate-image")
    ] = "generate-image"
    image_models: Annotated[tuple[str, ...], _list_of(r"[\w.:/-]{1,128}", "a comma-separated list of model names")] = (
        "gpt-image-2.6-flare",
        "gpt-image-2",
    )
    """In order of preference."""
    image_quality: Annotated[str, _one_of(*QUALITIES)] = "medium"
    caller_options: Annotated[tuple[str, ...], _options] = tuple(name for name in OPTIONS if name != "moderation")
    """The options that callers may set in ``config.options``. Written as ``none``: no option."""
    openai_base_url: Annotated[str, lambda text: text.rstrip("/")] = "https://api.openai.com/v1"
    download_hosts: Annotated[
        tuple[str, ...], _list_of(r"\.?[\w-]+(\.[\w-]+)*", "a comma-separated list of host names or .suffixes")
    ] = ()
    """Hosts besides the provider's own from which a picture may be downloaded."""
    when_outcome_unknown: Annotated[WhenOutcomeUnknown, _one_of(*get_args(WhenOutcomeUnknown))] = "fail"
    monthly_budget_usd: Annotated[MicroUsd, parse_usd] = NOTHING
    """The most that a client's pictures may cost in a calendar month (UTC). 0: no limit."""
    max_picture_usd: Annotated[MicroUsd, parse_usd] = _MOST_OF_A_PICTURE
    """The most that a 1024x1024 picture of any quality costs, for models without published output tokens. 0: such
    a model is refused under a budget."""
    picture_retention_days: Annotated[int, _integer(1, 3650, "days")] = 7
    """The bucket's lifecycle rule deletes a picture after so many days."""
    download_url_seconds: Annotated[int, _integer(60, 604_800, "seconds")] = 3600
    """The lifetime of a link's signature."""
    cloudfront_domain: Annotated[
        str, _matches(r"[a-z0-9-]+(\.[a-z0-9-]+)+", "a host name such as d111111abcdef8.cloudfront.net")
    ] = ""
    """The distribution in front of the bucket. Empty: links lead to the bucket."""
    cloudfront_key_pair_id: Annotated[str, str] = ""
    """CloudFront's id of the public key for signed links. Empty: links are open."""
    cloudfront_private_key_secret: Annotated[str, str] = ""
    """The name of the secret with the private key, as PEM text."""
    state_machine_arn: Annotated[
        str, _matches(r"arn:[\w-]+:states:[\w-]+:[0-9]{12}:stateMachine:[\w-]{1,80}", "a state machine's ARN")
    ] = ""
    """The state machine that the HTTP API starts."""
    api_authorization: Annotated[Authorization, _one_of(*get_args(Authorization))] = "iam"
    """The authorizer that must have accepted a request to the HTTP API. ``none``: a local server."""
    jwt_client_claim: Annotated[str, str] = ""
    """The claim of a token that must equal the client in the path."""
    allows_local_hosts: bool = False
    """Whether the provider may be on this machine. Not a variable: true outside Lambda and in `sam local`."""

    @classmethod
    def from_mapping(cls, environ: Mapping[str, str]) -> "Settings":
        """Return the settings in ``environ``. An empty value counts as absent.

        Raises ConfigurationError, which names every wrong setting and says what it must be.
        """
        values: dict[str, Any] = {
            "allows_local_hosts": "AWS_LAMBDA_FUNCTION_NAME" not in environ or "AWS_SAM_LOCAL" in environ
        }
        problems = []
        given = set()
        for setting in variables():
            name = setting.name.upper()
            text = environ.get(name, "").strip()
            if text:
                given.add(name)
            elif setting.default is not MISSING:
                continue
            try:
                values[setting.name] = setting.type.__metadata__[0](text)  # type: ignore[union-attr]
            except ValueError as error:
                problems.append({"field": name, "problem": f"must be {error}"})
        problems += _contradictions(given, values)
        if problems:
            listed = "; ".join(f"{problem['field']} {problem['problem']}" for problem in problems)
            raise ConfigurationError(f"The function's settings are wrong. {listed}.", errors=problems)
        return cls(**values)


def variables() -> list[Field[Any]]:
    """Return the settings that are environment variables."""
    return [setting for setting in fields(Settings) if hasattr(setting.type, "__metadata__")]


_SIGNING = frozenset({"CLOUDFRONT_KEY_PAIR_ID", "CLOUDFRONT_PRIVATE_KEY_SECRET"})


def _contradictions(given: AbstractSet[str], values: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the problems of settings that are valid alone and contradict each other. given: the names that are set."""
    problems = []
    if given & _SIGNING:
        problems = [
            {"field": name, "problem": f"must be set where {' or '.join(sorted(given & _SIGNING))} is"}
            for name in sorted({"CLOUDFRONT_DOMAIN", *_SIGNING} - given)
        ]
    is_presigned = not given & {"CLOUDFRONT_DOMAIN", *_SIGNING}
    if values.get("download_url_seconds", 0) > LONGEST_PRESIGNED_SECONDS and is_presigned:
        problem = f"must be at most {LONGEST_PRESIGNED_SECONDS} where links lead to the bucket itself"
        problems.append({"field": "DOWNLOAD_URL_SECONDS", "problem": problem})
    base_url = values.get("openai_base_url")
    if base_url and not is_base_url(base_url, allows_local_hosts=values["allows_local_hosts"]):
        problem = "must be an https URL, such as https://api.openai.com/v1"
        problems.append({"field": "OPENAI_BASE_URL", "problem": problem})
    return problems
