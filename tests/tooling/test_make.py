"""The commands of the Makefile, on machines with and without the tools that they need."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("awk", "echo", "env", "find", "ln", "make", "mkdir", "rm", "sed", "sh", "touch")
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
    **{name: (ROOT / name).read_text("utf-8") for name in ("Makefile", "src/Makefile")},
}
UV = f"""\
[ "$1" = venv ] || exit 0
for directory; do :; done
mkdir -p "$directory/bin" && ln -s {sys.executable} "$directory/bin/python"
"""


class Machine:
    """A checkout of the Makefiles, and a PATH that holds only the programs of the test."""

    def __init__(self, directory: Path) -> None:
        self.checkout = directory / "check out"
        self._programs = directory / "programs"
        self._programs.mkdir()
        for name, content in FILES.items():
            (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
            (self.checkout / name).write_text(content, "utf-8")
        for tool in TOOLS:
            self.install(tool, f'exec {shutil.which(tool)} "$@"')
        self.install("uv", UV)

    def install(self, name: str, script: str) -> None:
        program = self._programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def install_python(self, name: str, pretending: str = "pass") -> None:
        """Install this interpreter, changed by a statement that precedes the code of `-c`. `-m venv` makes a stub."""
        self.install(
            name,
            f"""case "$1 $2" in
              "-c "*) exec {sys.executable} -c 'import sys; {pretending}; exec(sys.argv[1])' "$2" ;;
              "-m venv") mkdir -p "$4/bin" && exec ln -s {shutil.which("true")} "$4/bin/python" ;;
              *) exec {sys.executable} "$@" ;;
            esac""",
        )

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["make", "UV=uv", *arguments],
            cwd=self.checkout,
            env={"PATH": str(self._programs), "HOME": os.environ["HOME"], **environment},
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


@pytest.fixture
def set_up(machine: Machine) -> Machine:
    """A machine that has its environment: this interpreter, with another name."""
    (machine.checkout / ".venv/bin").mkdir(parents=True)
    (machine.checkout / ".venv/bin/python").symlink_to(sys.executable)
    (machine.checkout / ".venv-uv").mkdir()
    for stamp in (".venv-uv/.installed", ".venv/.run"):
        (machine.checkout / stamp).touch()
    return machine


def test_set_up_runs_once_and_reports_to_standard_error(machine: Machine) -> None:
    machine.install("python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127")
    machine.install_python("python3")

    (_, first, installing), (_, second, silence) = machine.make("run"), machine.make("run")

    assert json.loads(first)[0] == json.loads(second)[0] == "events/direct.json"
    assert "Installing src/requirements.txt" in installing
    assert silence == ""


@pytest.mark.parametrize(
    ("pretending", "message"),
    [
        ("sys.version_info = (3, 9, 18)", "Python 3.11 or newer is needed, found 3.9: install one"),
        ('sys.version_info = (3, 12, 3); sys.modules["ensurepip"] = None', "Python 3.12 has no venv module"),
        (None, "Python 3.11 or newer is needed, found none: install one"),
    ],
)
def test_unfit_python_is_reported_in_one_line(machine: Machine, pretending: str | None, message: str) -> None:
    if pretending:
        machine.install_python("python3", pretending)

    status, output, errors = machine.make("run")

    first_line, *lines_of_make = errors.splitlines()
    assert (status, output) == (2, "")
    assert first_line.startswith(message)
    assert all(line.startswith("make: ***") for line in lines_of_make)


@pytest.mark.parametrize(
    "text", ["""It's a "cat", `id` $(id) $HOME ${HOME} $$ \\ # 100% ; | & <é>""", "two\nlines", ""]
)
def test_prompt_and_event_arrive_unchanged(set_up: Machine, text: str) -> None:
    event, by_argument = json.loads(set_up.make("run", f"PROMPT={text}", f"EVENT={text}")[1])
    _, by_variable = json.loads(set_up.make("run", PROMPT=text)[1])

    assert event == by_argument["PROMPT"] == by_variable["PROMPT"] == text


def test_proxies_and_profiles_of_the_user_do_not_apply(set_up: Machine) -> None:
    _, output, _ = set_up.make("run", HTTP_PROXY="http://proxy.example", NO_PROXY="example.org", AWS_PROFILE="mine")

    _, environment = json.loads(output)
    assert environment["NO_PROXY"].split(",") == ["127.0.0.1", "localhost", "example.org"]
    assert environment["no_proxy"].startswith("127.0.0.1,localhost")
    assert "AWS_PROFILE" not in environment


@pytest.mark.parametrize(
    "arguments", ["run EVENTS=a", "run prompt=a", "run FILE=a", "batch EVENT=a", "sam-invoke FILE=a"]
)
def test_misspelt_variable_is_refused(set_up: Machine, arguments: str) -> None:
    status, output, errors = set_up.make(*arguments.split())

    assert (status, output) == (2, "")
    assert "EVENT" in errors


def test_termination_of_make_ends_the_server(set_up: Machine) -> None:
    with set_up.start("serve") as make:
        assert make.stdout
        assert make.stdout.readline() == "ready\n"
        make.terminate()
        output, _ = make.communicate(timeout=30)

    assert output == "terminated\n"


def test_clean_keeps_pictures_and_clean_all_removes_them(set_up: Machine) -> None:
    out = set_up.checkout / "out"
    out.mkdir()

    _, _, errors = set_up.make("clean")

    assert (out.exists(), (set_up.checkout / ".venv").exists()) == (True, False)
    assert "out/" in errors
    set_up.make("clean-all")
    assert not out.exists()


def test_artifact_needs_python_313(machine: Machine) -> None:
    machine.install_python("python3", "sys.version_info = (3, 11, 2)")

    status, _, errors = machine.make("--directory=src", "python313")
    machine.install_python("python3.13", 'sys.version_info = (3, 13, 0); sys.modules["pip"] = sys')

    assert status == 2
    assert "Python 3.13 with pip is needed to compile for the python3.13 runtime" in errors
    assert machine.make("--directory=src", "--silent", "python313")[1] == "python3.13\n"
