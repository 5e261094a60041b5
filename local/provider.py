"""The provider of a local command: OpenAI if its key is in the environment, otherwise the stand-in."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from local.openai_stand_in import StandIn
from local.terminal import CommandError, report

BATCH_SECONDS = 2.0
"""The time of a batch with the stand-in, which passes the states of hours."""


@dataclass(frozen=True, slots=True)
class Provider:
    """name: of its folder in the account. secret: the credential. settings: the function's variables."""

    name: str
    secret: Mapping[str, str]
    settings: Mapping[str, str]
    costs_money: bool


@contextmanager
def provider(environ: Mapping[str, str], base_url: str, *, latency: float = 0) -> Iterator[Provider]:
    """Give the provider. base_url: of the real one. latency: seconds that the stand-in takes for a picture.

    ``SIGN_PICTURES``: the stand-in signs its pictures. Raises CommandError if it cannot.
    """
    key = environ.get("OPENAI_API_KEY")
    if key:
        host = urlsplit(base_url).netloc
        report(f"Provider: {host}, because OPENAI_API_KEY is set. This costs money.")
        yield Provider(host.replace(":", "-"), {"apiKey": key}, {}, costs_money=True)
        return
    sign = _sign() if environ.get("SIGN_PICTURES") else None
    with StandIn(latency=latency, batch_seconds=BATCH_SECONDS, sign=sign) as stand_in:
        report("Provider: the stand-in on this machine. Set OPENAI_API_KEY to buy from OpenAI.")
        if environ.get("OPENAI_BASE_URL"):
            report("OPENAI_BASE_URL has no effect without OPENAI_API_KEY.")
        settings = {"OPENAI_BASE_URL": stand_in.base_url}
        yield Provider("stand-in", {"apiKey": stand_in.api_key}, settings, costs_money=False)


def _sign() -> Callable[[bytes], bytes]:
    try:
        from local.openai_stand_in.content_credentials import sign  # noqa: PLC0415  # not in the run requirements
    except ImportError:
        raise CommandError("SIGN_PICTURES needs the requirements of the tests: make .venv/.test") from None
    return sign
