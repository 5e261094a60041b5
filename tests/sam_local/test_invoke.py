"""`make sam-invoke`: the real `sam local invoke`, in a container; and what is said where there is no engine."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.artifact.build import ROOT, build, make
from tests.module import event_for, read_event
from tests.sam_local.engine import needed_engine

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="session")
def built() -> Path:
    """What `make build` makes: the artifact beside its template."""
    return build().parent


def sam_invoke(event: Path, built: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / ".venv/bin/python", "-m", "local.sam_invoke", str(event), str(built)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "src"} | environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_event_is_answered_from_a_container_and_its_picture_left_behind(built: Path) -> None:
    needed_engine()

    invoked = sam_invoke(ROOT / "events/direct.json", built)

    assert invoked.returncode == 0, invoked.stderr
    answer = json.loads(invoked.stdout)
    assert answer["nextModule"] == read_event("direct")["nextModule"]
    assert answer["_meta_"]["replayed"] is False
    picture = ROOT / "out" / Path(answer["_meta_"]["key"]).name
    assert picture.read_bytes().startswith(PNG)
    assert str(picture.relative_to(ROOT)) in invoked.stderr


def test_an_error_is_told_by_its_name_and_leaves_standard_output_empty(built: Path, tmp_path: Path) -> None:
    needed_engine()
    event = tmp_path / "event.json"
    event.write_text(json.dumps(event_for("A lighthouse", client_id="../x")))

    invoked = sam_invoke(event, built)

    assert "InvalidRequestError: The request is not valid. client_id" in invoked.stderr
    assert (invoked.returncode, invoked.stdout) == (1, "")


def test_without_an_engine_it_says_so_in_one_line_before_it_builds_anything() -> None:
    make(".venv/.run")
    # Under `make test`, this make would take itself for a part of that one, and tell of its directories.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}

    invoked = subprocess.run(
        ["make", "sam-invoke"],
        cwd=ROOT,
        env=environ | {"DOCKER_HOST": "unix:///nowhere/docker.sock"},
        capture_output=True,
        text=True,
        check=False,
    )

    said, *make_s_own = invoked.stderr.splitlines()
    assert said.startswith("sam local finds no container engine: ")
    assert all(line.startswith("make: ***") for line in make_s_own)
    assert (invoked.returncode, invoked.stdout) == (2, "")
