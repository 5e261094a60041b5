"""The stand-in as a process of its own."""

from __future__ import annotations

import subprocess
import sys

import requests


def test_it_says_where_it_listens_and_stops_when_told() -> None:
    command = [sys.executable, "-m", "local.openai_stand_in", "--dall-e-3", "--shutdown-date", "gpt-image-2=2027-01-31"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        base_url = process.stderr.readline().split()[-1]
        headers = {"Authorization": "Bearer sk-stand-in"}
        listed = requests.get(f"{base_url}/models", headers=headers, timeout=5).json()["data"]
        process.terminate()
        assert process.wait(timeout=10) == 0
        assert process.stderr.read() == ""
    dates = {model["id"]: model["shutdown_date"] for model in listed}
    assert dates["dall-e-3"] is None
    assert dates["gpt-image-2"] == "2027-01-31"


def test_a_bad_option_is_told() -> None:
    command = [sys.executable, "-m", "local.openai_stand_in", "--shutdown-date", "gpt-image-9=2027-01-31"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert "gpt-image-9" in done.stderr
