"""docs/bought-once.md has the transitions, the errors and the fault table of the code."""

import re

import pytest

from generate_image.errors import ERRORS_BY_CODE
from generate_image.record import NEXT
from local.fault_table import BEGIN, DOCUMENT, END, fault_table

TEXT = DOCUMENT.read_text("utf-8")


def test_diagram_has_the_transitions_of_the_code() -> None:
    drawn = re.findall(r"^    (\S+) --> (\w+): ", TEXT, re.MULTILINE)

    assert len(drawn) == len(set(drawn))
    assert set(drawn) == {(before or "[*]", after) for before, afters in NEXT.items() for after in afters}


def test_every_error_has_advice() -> None:
    rows = re.findall(r"^\| `(\w+Error)` \| [^|]+ \| [^|]+ \| (\d{3}|does not occur)", TEXT, re.MULTILINE)

    assert sorted(code for code, _ in rows) == sorted(ERRORS_BY_CODE)
    for code, status in rows:
        assert status in (str(ERRORS_BY_CODE[code].status), "does not occur"), code


@pytest.mark.slow
def test_fault_table_is_that_of_make_docs() -> None:
    assert TEXT.partition(BEGIN)[2].partition(END)[0] == fault_table()
