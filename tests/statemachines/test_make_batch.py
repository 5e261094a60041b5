"""`make batch`: a list in, totals on standard output, a contact sheet and the results in out/."""

import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from local.batch import SUBSTITUTIONS, items_in
from local.contact_sheet import CAPTION_HEIGHT, COLUMNS, FAILED_PAPER, GAP, PAPER, SIDE, Tile, contact_sheet
from tests.module import EVENTS
from tests.template.stack import parse_template

ROOT = EVENTS.parent


def run(path: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    return subprocess.run(
        [sys.executable, "-m", "local.batch", path],
        cwd=directory,
        env=environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "pictures", "failed"), [("batch.json", 4, 1), ("batch.jsonl", 4, 0), ("batch.csv", 4, 0)]
)
def test_a_list_of_the_examples(tmp_path: Path, name: str, pictures: int, failed: int) -> None:
    done = run(EVENTS / name, tmp_path)

    totals = json.loads(done.stdout)
    assert (totals["bought"], sum(totals["failed"].values())) == (pictures, failed)
    assert f"{pictures + failed} of {pictures + failed}: {pictures} pictures, {failed} failed" in done.stderr
    results = (tmp_path / "out/batch.results.jsonl").read_text("utf-8").splitlines()
    assert len(results) == pictures + failed
    with Image.open(tmp_path / "out/batch.contact-sheet.png") as sheet:
        assert sheet.width == (pictures + failed) * (SIDE + GAP) + GAP
    assert done.returncode == 0


def test_a_list_that_is_malformed_is_told_by_the_state_machine(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('[{"data": ')

    done = run(broken, tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert "States.ItemReaderFailed: The list lists/broken.json could not be read" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["missing.json", "list.txt", "directory.csv"])
def test_what_is_no_list_is_told_before_anything_is_started(tmp_path: Path, name: str) -> None:
    (tmp_path / "list.txt").touch()
    (tmp_path / "directory.csv").mkdir()

    done = run(tmp_path / name, tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert "is not a list" in done.stderr


def test_the_bounds_are_the_template_s_own() -> None:
    parameters = parse_template()["Parameters"]

    assert SUBSTITUTIONS["Concurrency"] == str(parameters["BatchConcurrency"]["Default"])
    assert SUBSTITUTIONS["ToleratedFailurePercentage"] == str(parameters["BatchToleratedFailurePercentage"]["Default"])


@pytest.mark.parametrize(
    ("name", "content", "items"),
    [
        ("a.json", "[1, 2, 3]", 3),
        ("a.json", "{}", None),
        ("a.json", "[", None),
        ("a.jsonl", "1\n\n2\n", 2),
        ("a.csv", 'id,prompt\n1,"two\nlines"\n2,one\n', 2),
        ("a.csv", "", 0),
    ],
)
def test_items_are_counted_for_the_progress(tmp_path: Path, name: str, content: str, items: int | None) -> None:
    path = tmp_path / name
    path.write_text(content)

    assert items_in(path) == items


def picture(colour: str, size: tuple[int, int] = (1024, 1024)) -> bytes:
    written = BytesIO()
    Image.new("RGB", size, colour).save(written, "PNG")
    return written.getvalue()


def hexadecimal(sheet: Image.Image, column: int, row: int) -> str:
    """Return the colour near the upper left corner of a tile."""
    step_x, step_y = SIDE + GAP, SIDE + CAPTION_HEIGHT + GAP
    pixel = sheet.getpixel((GAP + column * step_x + 20, GAP + row * step_y + 20))
    assert isinstance(pixel, tuple)
    return "#" + "".join(f"{int(channel):02x}" for channel in pixel)


def test_a_contact_sheet_shows_pictures_and_errors_in_order_row_by_row() -> None:
    tiles = [Tile(f"{number}", picture("#336699")) for number in range(COLUMNS)]
    tiles += [Tile("a long caption " * 20, picture("#996633", (1536, 1024))), Tile("failed", error="StorageError")]

    sheet = contact_sheet(tiles)

    assert sheet.size == (COLUMNS * (SIDE + GAP) + GAP, 2 * (SIDE + CAPTION_HEIGHT + GAP) + GAP)
    assert [hexadecimal(sheet, column, 0) for column in range(COLUMNS)] == ["#336699"] * COLUMNS
    assert hexadecimal(sheet, 0, 1) == PAPER  # a wide picture is not cut: there is paper above it
    assert hexadecimal(sheet, 1, 1) == FAILED_PAPER


def test_a_contact_sheet_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing to show"):
        contact_sheet([])
