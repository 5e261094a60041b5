"""The incremental reader of a JSON array accepts the same texts as Python's own parser, whatever the chunks."""

import io
import json
from random import Random

import pytest

from generate_image.lists.json_array import BrokenArrayError, JsonArray

ATOMS: list[object] = [0, -1, 1.5, 1e300, True, False, None, "", "Un faro", '\\ " \n \x00', "🛶 é 漢", "[{,:}]"]


class SmallReads(io.BytesIO):
    """Returns few bytes at a time, so that chunks end inside numbers, escapes and characters."""

    def __init__(self, content: bytes, random: Random) -> None:
        super().__init__(content)
        self._random = random

    def read(self, size: int | None = -1) -> bytes:
        del size
        return super().read(self._random.randint(1, 7))


def parsed(content: bytes) -> object:
    try:
        value = json.loads(content.decode())
    except ValueError:
        return "broken"
    return value if isinstance(value, list) else "broken"


@pytest.mark.parametrize("seed", range(5))
def test_array_is_judged_as_pythons_parser_does(seed: int) -> None:
    """Two of three arrays are damaged."""
    random = Random(seed)
    for damages in [0, 1, 2] * 50:
        value = random.choices([*ATOMS, ATOMS, [], {}, {"a": ATOMS, "": {"b": [[7]]}}], k=random.randint(0, 5))
        text = json.dumps(value, ensure_ascii=random.random() < 0.5, indent=random.choice([None, 1]))
        content = bytearray(text.encode() + random.choice([b"", b" \n\t"]))
        for _ in range(damages):
            place = random.randint(0, len(content))
            content[place : place + random.randint(0, 2)] = random.choice([b"", b",", b"]", b"[", b'"', b"7", b"\xff"])
        try:
            elements: object = list(JsonArray(SmallReads(bytes(content), random), 10_000).elements())
        except BrokenArrayError:
            elements = "broken"

        assert elements == parsed(bytes(content)), bytes(content)


def test_element_without_an_end_is_not_read_to_the_end() -> None:
    """The problem names the line and the column, also after many chunks."""
    content = io.BytesIO(b'["Un faro",\n "' + b"x" * 3_000_000)

    with pytest.raises(BrokenArrayError, match=r"line 2 is not JSON \(Unterminated string starting at, column 2\)"):
        list(JsonArray(content, 1_000_000).elements())

    assert content.tell() < 1_500_000
