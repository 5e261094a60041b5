"""local/expand_template.py expands the template's loops as SAM CLI does."""

import json
import subprocess

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
def test_sam_cli_makes_the_same_resources() -> None:
    of_sam = json.loads(subprocess.run([SAM_PYTHON, "-c", EXPAND, TEMPLATE], capture_output=True, check=True).stdout)
    expanded = deploy(**EVERY_OPTION)

    for kind in ("AWS::Logs::LogGroup", "AWS::CloudWatch::Alarm"):
        resources = {name: resource["Properties"] for name, resource in of_sam.items() if resource["Type"] == kind}
        assert expanded.of_type(kind).keys() == resources.keys()
        for key in ("MetricName", "Namespace", "Threshold", "Period"):
            values = [str(properties.get(key)) for properties in expanded.of_type(kind).values()]
            assert values == [str(resources[name].get(key)) for name in expanded.of_type(kind)]
