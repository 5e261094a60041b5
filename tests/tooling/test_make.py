"""The commands of the Makefile, on machines with and without a fit Python."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = {
    "src/requirements.txt": "",
    "requirements/local.txt": "",
    "requirements/uv.txt": "",
    "local/run.py": "import json, os, sys; print(json.dumps([sys.argv[1], dict(os.environ)]))",
    "local/serve.py": """\
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
os.write(1, b"ready\\n")
signal.sigwait({signal.SIGTERM})
os.write(1, b"terminated\\n")
""",
    "Makefile": (ROOT / "Makefile").read_text("utf-8"),
}
PYTHONS = ("python3.13", "python3.12", "python3.11", "python3")
SHIM = "echo 'pyenv: command not found' >&2; exit 127"
UV = f"""\
[ "$1" = venv ] || exit 0
for directory; do :; done
mkdir -p "$directory/bin" && ln -s {sys.executable} "$directory/bin/python"
"""


class Machine:
    """A checkout of the Makefile, and programs that precede those of this machine. Python is fit, but for its name."""

    def __init__(self, directory: Path) -> None:
        self.checkout = directory / "check out"
        self._programs = directory / "programs"
        self._programs.mkdir()
        for name, content in FILES.items():
            (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
            (self.checkout / name).write_text(content, "utf-8")
        self.install("uv", UV)
        for name in PYTHONS:
            self.install(name, SHIM)
        self.install_python()

    def install(self, name: str, script: str) -> None:
        program = self._programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def install_python(self, pretending: str = "pass") -> None:
        """Install this interpreter, changed by a statement that precedes the code of `-c`. `-m venv` makes a stub."""
        self.install(
            "python3",
            f"""case "$1" in
              -c) exec {sys.executable} -c 'import sys; {pretending}; exec(sys.argv[1])' "$2" ;;
              *) mkdir -p "$4/bin" && exec ln -s {shutil.which("true")} "$4/bin/python" ;;
            esac""",
        )

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        path = f"{self._programs}:{os.environ['PATH']}"
        return subprocess.Popen(
            ["make", "UV=uv", *arguments],
            cwd=self.checkout,
            env={"PATH": path, "HOME": os.environ["HOME"], **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def make(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """Return the exit status, standard output and standard error."""
        with self.start(*arguments, **environment) as process:
            output, errors = process.communicate()
        return process.returncode, output, errors


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_set_up_runs_once_and_reports_to_standard_error(machine: Machine) -> None:
    (_, first, installing), (_, second, silence) = machine.make("run"), machine.make("run")

    assert json.loads(first)[0] == json.loads(second)[0] == "events/direct.json"
    assert "Installing src/requirements.txt" in installing
    assert silence == ""


@pytest.mark.parametrize(
    ("pretending", "message"),
    [
        ("sys.version_info = (3, 9, 18)", "Python 3.11 or newer is needed, found 3.9: install one"),
        ('sys.version_info = (3, 12, 3); sys.modules["ensurepip"] = None', "Python 3.12 has no venv module"),
        ("sys.exit(127)", "Python 3.11 or newer is needed, found none: install one"),
    ],
)
def test_unfit_python_is_reported_in_one_line(machine: Machine, pretending: str, message: str) -> None:
    machine.install_python(pretending)

    status, output, errors = machine.make("run")

    first_line, *lines_of_make = errors.splitlines()
    assert (status, output) == (2, "")
    assert first_line.startswith(message)
    assert all(line.startswith("make: ***") for line in lines_of_make)


@pytest.mark.parametrize(
    "text", ["""It's a "cat", `id` $(id) $HOME ${HOME} $$ \\ # 100% ; | & <é>""", "two\nlines", ""]
)
def test_prompt_and_event_arrive_unchanged(machine: Machine, text: str) -> None:
    event, by_argument = json.loads(machine.make("run", f"PROMPT={text}", f"EVENT={text}")[1])
    _, by_variable = json.loads(machine.make("run", PROMPT=text)[1])

    assert event == by_argument["PROMPT"] == by_variable["PROMPT"] == text


def test_proxies_and_profiles_of_the_user_do_not_apply(machine: Machine) -> None:
    _, environment = json.loads(machine.make("run", NO_PROXY="example.org", AWS_PROFILE="mine")[1])

    assert environment["NO_PROXY"].split(",") == ["127.0.0.1", "localhost", "example.org"]
    assert environment["no_proxy"].startswith("127.0.0.1,localhost")
    assert "AWS_PROFILE" not in environment


@pytest.mark.parametrize(
    "arguments", ["run EVENTS=a", "run prompt=a", "run FILE=a", "batch EVENT=a", "sam-invoke FILE=a"]
)
def test_misspelt_variable_is_refused(machine: Machine, arguments: str) -> None:
    status, output, errors = machine.make(*arguments.split())

    assert (status, output) == (2, "")
    assert "EVENT" in errors


def test_termination_of_make_ends_the_server(machine: Machine) -> None:
    with machine.start("serve") as make:
        assert make.stdout
        assert make.stdout.readline() == "ready\n"
        make.terminate()
        output, _ = make.communicate(timeout=30)

    assert output == "terminated\n"


def test_clean_keeps_pictures_and_clean_all_removes_them(machine: Machine) -> None:
    out = machine.checkout / "out"
    out.mkdir()
    machine.make("run")

    _, _, errors = machine.make("clean")

    assert (out.exists(), (machine.checkout / ".venv").exists()) == (True, False)
    assert "out/" in errors
    machine.make("clean-all")
    assert not out.exists()
