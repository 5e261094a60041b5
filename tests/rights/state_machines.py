"""What Step Functions asks IAM for on behalf of a state machine, worked out from its definition.

moto runs state machines under nobody's rights, so `iam` alone judges these.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

import yaml

from tests.rights.iam import Request
from tests.template.stack import ACCOUNT, REGION

DEFINITIONS = Path(__file__).parents[2] / "statemachines"
LIST = "lists/spring.json"
LOGGING = [  # https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
]
TRACING = [  # https://docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
]
FOLLOWING = ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"]
WRITING = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]


def requests_of_machine(properties: Mapping[str, Any], definition: str) -> list[Request]:
    """Return everything that IAM must allow the role of a state machine. definition: the file's name."""
    substitutions = {name: str(value) for name, value in properties["DefinitionSubstitutions"].items()}
    text = (DEFINITIONS / definition).read_text("utf-8")
    machine = yaml.safe_load(Template(text).safe_substitute(substitutions))
    asked = list(_requests_of_states(machine, properties["StateMachineName"]))
    if properties["LoggingConfiguration"]["Level"] != "OFF":
        asked += [Request(action, "*") for action in LOGGING]
    if properties["TracingConfiguration"]["Enabled"]:
        asked += [Request(action, "*") for action in TRACING]
    return asked


def _requests_of_states(machine: Mapping[str, Any], name: str) -> Iterator[Request]:
    for state in machine["States"].values():
        if state["Type"] == "Task":
            if state["Resource"] != "arn:aws:states:::lambda:invoke":
                raise NotImplementedError(state["Resource"])
            yield Request("lambda:InvokeFunction", state["Parameters"]["FunctionName"])
        elif state["Type"] == "Map":
            yield from _requests_of_map(state, name)
            yield from _requests_of_states(state["ItemProcessor"], name)


def _requests_of_map(state: Mapping[str, Any], name: str) -> Iterator[Request]:
    """https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html"""
    if state["ItemProcessor"]["ProcessorConfig"]["Mode"] != "DISTRIBUTED":
        return
    states = f"arn:aws:states:{REGION}:{ACCOUNT}"
    yield Request("states:StartExecution", f"{states}:stateMachine:{name}")
    for action in FOLLOWING:
        yield Request(action, f"{states}:execution:{name}/{state['Label']}:0f5c8a1e")
    yield Request("s3:GetObject", f"arn:aws:s3:::{state['ItemReader']['Parameters']['Bucket']}/{LIST}")
    results = f"arn:aws:s3:::{state['ResultWriter']['Parameters']['Bucket']}/results/spring/0f5c8a1e/manifest.json"
    for action in WRITING:
        yield Request(action, results)
