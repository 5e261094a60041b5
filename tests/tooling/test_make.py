"""The commands of the Makefile, in a checkout with a stub of uv and of ``make run``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

UV = f"""\
[ "$1" = venv ] || exit 0
for directory; do :; done
mkdir -p "$directory/bin" && ln -s {sys.executable} "$directory/bin/python"
"""
FILES = {
    "src/requirements.txt": "",
    "requirements/local.txt": "",
    "requirements/uv.txt": "",
    ".venv-uv/.installed": "",
    "local/run.py": "import json, os, sys; print(json.dumps([sys.argv[1], dict(os.environ)]))",
    "local/serve.py": "import signal; print('ready', flush=True); signal.pause()",
    "Makefile": (Path(__file__).parents[2] / "Makefile").read_text("utf-8"),
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    checkout = tmp_path / "check out"
    for name, content in FILES.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(content, "utf-8")
    install(tmp_path, "uv", UV)
    return checkout


def install(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def start(checkout: Path, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    """Start make. Programs beside the checkout precede all others."""
    environ = {"PATH": f"{checkout.parent}:{os.environ['PATH']}", "HOME": os.environ["HOME"], **environ}
    command = ["make", "UV=uv", *arguments]
    return subprocess.Popen(
        command, cwd=checkout, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def make(checkout: Path, *arguments: str, **environ: str) -> tuple[int, str, str]:
    """Return the exit status, standard output and standard error."""
    with start(checkout, *arguments, **environ) as process:
        output, errors = process.communicate()
    return process.returncode, output, errors


def test_set_up_runs_once_and_reports_to_standard_error(checkout: Path) -> None:
    _, output, installing = make(checkout, "run", NO_PROXY="example.org", AWS_PROFILE="mine")
    event, environ = json.loads(output)

    assert "Installing src/requirements.txt" in installing
    assert make(checkout, "run")[2] == ""
    assert event == "events/direct.json"
    assert environ["NO_PROXY"] == "127.0.0.1,localhost,example.org"
    assert "AWS_PROFILE" not in environ


@pytest.mark.parametrize(
    ("pretending", "message"),
    [
        ("sys.version_info = (3, 9, 18)", "Python 3.11 or newer is needed, found 3.9: install one"),
        ('sys.version_info = (3, 12, 3); sys.modules["ensurepip"] = None', "Python 3.12 has no venv module"),
    ],
)
def test_unfit_python_is_reported(checkout: Path, pretending: str, message: str) -> None:
    (checkout / ".venv-uv" / ".installed").unlink()
    for name in ("python3.13", "python3.12", "python3.11", "python3"):
        script = f"exec {sys.executable} -c 'import sys; {pretending}; exec(sys.argv[1])' \"$2\""
        install(checkout.parent, name, script)

    status, output, errors = make(checkout, "run")

    assert (status, output) == (2, "")
    assert errors.startswith(message)


@pytest.mark.parametrize("text", ["""It's a "cat", `id` $(id) $HOME ${HOME} $$ \\ # 100% ; | & <é>\n2""", ""])
def test_prompt_and_event_arrive_unchanged(checkout: Path, text: str) -> None:
    event, by_argument = json.loads(make(checkout, "run", f"PROMPT={text}", f"EVENT={text}")[1])
    _, by_variable = json.loads(make(checkout, "run", PROMPT=text)[1])

    assert event == by_argument["PROMPT"] == by_variable["PROMPT"] == text


@pytest.mark.parametrize("arguments", ["run EVENTS=a", "run prompt=a", "run FILE=a", "batch EVENT=a"])
def test_misspelt_variable_is_refused(checkout: Path, arguments: str) -> None:
    status, output, errors = make(checkout, *arguments.split())

    assert (status, output, "EVENT" in errors) == (2, "", True)


def test_termination_of_make_ends_the_server(checkout: Path) -> None:
    with start(checkout, "serve") as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        process.communicate(timeout=30)  # standard output is open until the server ends


def test_clean_keeps_pictures(checkout: Path) -> None:
    (checkout / "out").mkdir()
    make(checkout, "clean")

    assert [(checkout / name).exists() for name in ("out", ".venv-uv")] == [True, False]
