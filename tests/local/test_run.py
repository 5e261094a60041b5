"""``make run``, as a process of its own: what a newcomer sees first."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from local.openai_stand_in import StandIn

ROOT = Path(__file__).parents[2]


def run(directory: Path, event: Path | str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "AWS_", "PROMPT"))}
    return subprocess.run(
        [sys.executable, "-m", "local.run", str(event)],
        cwd=directory,
        env=kept | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"} | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_answer_is_alone_on_standard_output_and_the_picture_in_out(tmp_path: Path) -> None:
    done = run(tmp_path, ROOT / "events" / "direct.json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert set(answer) == {"nextModule", "data", "_meta_"}
    assert set(answer["data"]) == {"imageUrl", "urlPath", "localPath"}
    picture = tmp_path / "out" / Path(answer["_meta_"]["key"]).name
    assert struct.unpack(">II", picture.read_bytes()[16:24]) == (1024, 1024)
    assert f"out/{picture.name}" in done.stderr
    assert "stand-in" in done.stderr


def test_a_prompt_takes_the_place_of_the_events_own(tmp_path: Path) -> None:
    prompt = "Un \"faro\" a 5 $ & 'más'"
    done = run(tmp_path, ROOT / "events" / "persistent.json", PROMPT=prompt)
    answer = json.loads(done.stdout)
    assert answer["_meta_"]["prompt"] == prompt
    assert answer["data"]["pedido"]["numero"] == 4711


def test_a_prompt_is_put_where_there_is_none(tmp_path: Path) -> None:
    done = run(tmp_path, ROOT / "events" / "bad" / "no-prompt.json", PROMPT="Un faro")
    assert json.loads(done.stdout)["_meta_"]["prompt"] == "Un faro"


def test_a_key_in_the_environment_buys_from_where_it_leads(tmp_path: Path) -> None:
    """The real provider's place is taken by a stand-in that takes another key than the one of ``make run``."""
    with StandIn(api_key="sk-of-mine") as real:
        environ = {"OPENAI_API_KEY": real.api_key, "OPENAI_BASE_URL": real.base_url}
        done = run(tmp_path, ROOT / "events" / "direct.json", **environ)
        assert real.ledger()["billed"] == 1
    assert json.loads(done.stdout)["_meta_"]["model"] == "gpt-image-2.6-flare"
    assert "costs money" in done.stderr
    for told in (done.stdout, done.stderr, (tmp_path / "out" / "function.log").read_text()):
        assert "sk-of-mine" not in told


@pytest.mark.parametrize(
    ("event", "status", "told"),
    [
        ("events/bad/several-faults.json", 1, "InvalidRequestError"),
        ("events/bad/credentials-unknown.json", 1, "CredentialsError"),
        ("README.md", 2, "README.md is not a file with a JSON event"),
        ("events/none.json", 2, "events/none.json is not a file with a JSON event"),
    ],
)
def test_what_cannot_be_run_is_told_in_a_line(tmp_path: Path, event: str, status: int, told: str) -> None:
    done = run(tmp_path, ROOT / event)
    assert done.returncode == status
    assert done.stdout == ""
    assert told in done.stderr
    assert "Traceback" not in done.stderr
