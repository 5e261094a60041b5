from xml.etree import ElementTree as ET

from benchmarks.plots import Bar, bar_chart
from benchmarks.report import table

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_as_long_as_their_values() -> None:
    chart = ET.fromstring(bar_chart("Title", [Bar("one", 1, "1"), Bar("two", 2, "2", ours=True)]))

    one, two = (float(bar.attrib["width"]) for bar in chart.iter(f"{SVG}rect"))
    assert two == 2 * one


def test_what_stands_in_a_label_cannot_break_the_document() -> None:
    chart = ET.fromstring(bar_chart("a < b & c", [Bar("<tag>", 1, '"1"')]))

    assert "<tag>" in [text.text for text in chart.iter(f"{SVG}text")]


def test_a_chart_of_nothing_but_zeros_is_drawn() -> None:
    ET.fromstring(bar_chart("Zeros", [Bar("ours", 0, "0")]))


def test_a_table_has_a_row_for_each() -> None:
    assert table(("a", "b"), [(1, 2)]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
