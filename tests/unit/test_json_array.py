"""The incremental reader of a JSON array accepts the same texts as Python's own parser, whatever the chunks."""

import io
import json
from random import Random
from typing import Any

import pytest

from generate_image.lists.json_array import BrokenArrayError, JsonArray

ATOMS = [0, -1, 1.5, 1e300, True, False, None, "", "Un faro", '\\ " \n \x00', "🛶 é 漢", "[{,:}]"]


class SmallReads(io.BytesIO):
    """Returns fewer bytes than asked for, so that chunks end inside numbers, escapes and characters."""

    def __init__(self, content: bytes, random: Random) -> None:
        super().__init__(content)
        self._random = random

    def read(self, size: int | None = -1) -> bytes:
        del size
        return super().read(self._random.randint(1, 7))


def value_of(random: Random, depth: int = 0) -> Any:  # noqa: ANN401  # JSON
    kind = random.random()
    if depth > 3 or kind < 0.5:
        return random.choice(ATOMS)
    size = random.randint(0, 3)
    if kind < 0.75:
        return [value_of(random, depth + 1) for _ in range(size)]
    return {str(random.choice(ATOMS)): value_of(random, depth + 1) for _ in range(size)}


def elements_of(content: bytes, random: Random) -> object:
    try:
        return list(JsonArray(SmallReads(content, random), 10_000).elements())
    except BrokenArrayError:
        return "broken"


def parsed(content: bytes) -> object:
    try:
        value = json.loads(content.decode())
    except ValueError:
        return "broken"
    return value if isinstance(value, list) else "broken"


@pytest.mark.parametrize("seed", range(5))
def test_any_chunks_give_the_same_elements(seed: int) -> None:
    random = Random(seed)
    for _ in range(50):
        value = [value_of(random) for _ in range(random.randint(0, 5))]
        text = json.dumps(value, ensure_ascii=random.random() < 0.5, indent=random.choice([None, 1]))

        assert elements_of(text.encode(), random) == value


@pytest.mark.parametrize("seed", range(5))
def test_damaged_array_is_judged_like_pythons_parser(seed: int) -> None:
    random = Random(seed)
    for _ in range(100):
        content = bytearray(json.dumps([value_of(random) for _ in range(3)], ensure_ascii=False).encode())
        for _ in range(random.randint(1, 2)):
            place = random.randrange(len(content))
            content[place : place + random.randint(0, 2)] = random.choice([b"", b",", b"]", b"[", b'"', b"7", b"\xff"])

        assert elements_of(bytes(content), random) == parsed(bytes(content)), bytes(content)
