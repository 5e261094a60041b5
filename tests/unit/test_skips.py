"""CI counts a skipped test as a failure."""

import subprocess
import sys
from pathlib import Path

SOURCES = {
    "test_skipped.py": "import pytest\n\ndef test_browser():\n    pytest.skip('Chromium is missing')\n",
    "test_module.py": "import pytest\n\npytest.skip('Chromium is missing', allow_module_level=True)\n",
}


def test_skip_counts_as_failure_on_request(tmp_path: Path) -> None:
    for name, source in SOURCES.items():
        (tmp_path / name).write_text(source)

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.skips", "--continue-on-collection-errors", str(tmp_path)],
        cwd=Path(__file__).parents[2],
        env={"FAIL_ON_SKIP": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "1 failed, 1 error in" in run.stdout
