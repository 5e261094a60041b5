"""local/expand_template.py expands the template's loops as SAM CLI does."""

import json
import subprocess
from pathlib import Path

import pytest

from local.expand_template import EVERY_OPTION, TEMPLATE, deploy

SAM_PYTHON = TEMPLATE.parent / ".venv-sam" / "bin" / "python"
EXPAND = """
import json, sys
from samcli.lib.cfn_language_extensions.sam_integration import expand_language_extensions
from samcli.yamlhelper import yaml_parse
template = yaml_parse(open(sys.argv[1]).read())
json.dump(expand_language_extensions(template, enabled=True).expanded_template["Resources"], sys.stdout)
"""


@pytest.mark.slow
@pytest.mark.skipif(not SAM_PYTHON.exists(), reason="make test-all installs SAM CLI")
def test_sam_cli_makes_the_same_resources(tmp_path: Path) -> None:
    expanded = subprocess.run([SAM_PYTHON, "-c", EXPAND, TEMPLATE], cwd=tmp_path, capture_output=True, check=True)
    of_sam = json.loads(expanded.stdout)
    stack = deploy(**EVERY_OPTION)

    for kind in ("AWS::Logs::LogGroup", "AWS::CloudWatch::Alarm"):
        assert stack.of_type(kind).keys() == {name for name in of_sam if of_sam[name]["Type"] == kind}
        for name, properties in stack.of_type(kind).items():
            for key in ("MetricName", "Namespace", "Threshold", "Period"):
                assert str(properties.get(key)) == str(of_sam[name]["Properties"].get(key))
