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
OF_ALARMS = ("ModelWatchCredential", "EventBridgeNotifications", "WebhookSecret", "WebhookUrl")
LOOPED = ("AWS::Logs::LogGroup", "AWS::CloudWatch::Alarm")


@pytest.mark.slow
@pytest.mark.skipif(not SAM_PYTHON.exists(), reason="make test-all installs SAM CLI")
def test_sam_cli_makes_the_same_resources(tmp_path: Path) -> None:
    done = subprocess.run(
        [SAM_PYTHON, "-c", EXPAND, TEMPLATE], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    resources = json.loads(done.stdout)
    stack = deploy(**{name: EVERY_OPTION[name] for name in OF_ALARMS})

    for kind in LOOPED:
        of_sam = {name: resource["Properties"] for name, resource in resources.items() if resource["Type"] == kind}
        assert of_sam.keys() == stack.of_type(kind).keys()
        for name, properties in of_sam.items():
            assert properties.keys() - {"AlarmActions"} == stack.of_type(kind)[name].keys()
            for key in ("MetricName", "Namespace", "Threshold", "Period"):
                assert str(properties.get(key)) == str(stack.of_type(kind)[name].get(key))
