"""How long a caller is willing to wait: the ``Prefer`` header of RFC 7240."""

import re
from dataclasses import dataclass

from generate_image.errors import InvalidRequestError

LONGEST_WAIT_SECONDS = 25
"""What fits into API Gateway's 30 seconds, with a cold start and the answer."""

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_WORD = rf'(?:{_NAME}|"(?:[^"\\]|\\.)*")'
# No two neighbours may take the same blank, or a header of fifty of them would be read for minutes.
_PARAMETERS = rf"(?:\s*;(?:\s*{_NAME}(?:\s*=(?:\s*{_WORD})?)?)?)*"
_PREFERENCE = re.compile(rf"[\s,]*(?P<name>{_NAME})(?:\s*=(?:\s*(?P<value>{_WORD}))?)?{_PARAMETERS}\s*(?:,|\Z)")


@dataclass(frozen=True, slots=True)
class Preferences:
    """wait: seconds. applied: what ``Preference-Applied`` says, empty where nothing was asked."""

    wait: float
    applied: str


def parse_prefer(header: str) -> Preferences:
    """Return what a ``Prefer`` header asks for.

    Unknown preferences are ignored and, of a repeated one, all but the first, as RFC 7240 has it. A wait that is too
    long is cut to the longest. A header that breaks the grammar, or a wait that is no whole number, raises
    InvalidRequestError: whoever sent it counts on something that will not happen.
    """
    given: dict[str, str] = {}
    at = 0
    while header[at:].strip(" \t,"):
        preference = _PREFERENCE.match(header, at)
        if preference is None:
            raise _invalid("must be preferences as in RFC 7240, such as: respond-async, wait=10")
        given.setdefault(preference["name"].lower(), (preference["value"] or "").strip('"'))
        at = preference.end()
    applied = []
    wait = LONGEST_WAIT_SECONDS
    if "respond-async" in given:
        applied.append("respond-async")
        wait = 0
    if "wait" in given:
        if not re.fullmatch(r"[0-9]{1,10}", given["wait"]):
            raise _invalid("wait must be a whole number of seconds, such as: wait=10")
        wait = min(int(given["wait"]), LONGEST_WAIT_SECONDS)
        applied.append(f"wait={wait}")
    return Preferences(wait, ", ".join(applied))


def _invalid(problem: str) -> InvalidRequestError:
    return InvalidRequestError.listing([{"field": "Prefer", "problem": problem}])
