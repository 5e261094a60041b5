"""The Prefer header, by RFC 7240."""

import pytest

from generate_image.errors import InvalidRequestError
from generate_image.preferences import LONGEST_WAIT_SECONDS, parse_prefer


@pytest.mark.parametrize(
    ("header", "wait", "applied"),
    [
        ("", 25, ""),
        ("wait=10", 10, "wait=10"),
        ("WAIT = 10", 10, "wait=10"),
        ('wait="10"', 10, "wait=10"),
        ("wait=0", 0, "wait=0"),
        ("wait=9999999999", 25, "wait=25"),
        ("respond-async", 0, "respond-async"),
        ("respond-async, wait=10", 10, "respond-async, wait=10"),
        ("Respond-Async; why=x", 0, "respond-async"),
        ("wait=1, wait=2, respond-async, respond-async", 1, "respond-async, wait=1"),
        ('handling=lenient, return=minimal; x="a, wait=3"; y, wait=7', 7, "wait=7"),
        (" , ,wait=3,, ", 3, "wait=3"),
    ],
)
def test_preferences_are_read(header: str, wait: int, applied: str) -> None:
    preferences = parse_prefer(header)

    assert (preferences.wait, preferences.applied) == (wait, applied)


@pytest.mark.parametrize(
    "header",
    [
        "wait",
        "wait=",
        "wait=-1",
        "wait=+1",
        "wait=1.5",
        "wait=1e1",
        "wait=ten",
        "wait=٣",
        "wait=1 0",
        "=",
        ";",
        '"',
        'x="',
    ],
)
def test_what_says_nothing_is_refused(header: str) -> None:
    with pytest.raises(InvalidRequestError):
        parse_prefer(header)


@pytest.mark.parametrize(
    "header",
    [
        "a" + " " * 8000 + "\x01",
        ";" * 8000,
        "a;" * 4000 + "\x01",
        "a" + "; " * 4000 + '"',
        "a" + "; b = " * 1500 + '"',
        "a=" * 4000,
        "a = " * 2000,
        '"' * 8000,
    ],
)
def test_a_long_header_is_refused_in_no_time(header: str) -> None:
    """Pytest's own time limit is what would fail."""
    with pytest.raises(InvalidRequestError):
        parse_prefer(header)


def test_the_longest_wait_leaves_time_to_answer_within_api_gateway_s_limit() -> None:
    assert LONGEST_WAIT_SECONDS <= 28
