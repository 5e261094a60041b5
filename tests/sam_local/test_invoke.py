"""``make sam-invoke``: the real `sam local invoke`, in a container."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from local.sam_invoke import main
from tests.artifact.build import build
from tests.events import EVENTS, event_for, read_event

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("engine")
def test_event_is_answered_from_a_container(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status = main(str(EVENTS / "with-key.json"), str(build()), {**os.environ, "OUT": str(tmp_path)})

    printed = capfd.readouterr()
    assert status == 0, printed.err
    answer = json.loads(printed.out)
    picture = tmp_path / Path(answer["_meta_"]["key"]).name
    assert answer["nextModule"] == read_event("with-key")["nextModule"]
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert str(picture) in printed.err
    assert answer["data"]["urlPath"].startswith("http://127.0.0.1:")


@pytest.mark.usefixtures("engine")
def test_error_is_named_and_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps(event_for("A lighthouse", client_id="../x")))

    status = main(str(event), str(build()), {**os.environ, "OUT": str(tmp_path)})

    printed = capfd.readouterr()
    assert (status, printed.out) == (1, "")
    assert "InvalidRequestError: The request is not valid. client_id" in printed.err


def test_make_stops_before_the_build_without_an_engine() -> None:
    # Under `make test`, this make would be a part of that one, with its options.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environ |= {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
    done = subprocess.run(
        ["make", "sam-invoke"], cwd=EVENTS.parent, env=environ, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert "No container engine was found" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Building" not in done.stderr
