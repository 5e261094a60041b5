"""The rights that a state machine needs, from its definition. moto runs state machines without a role."""

from collections.abc import Iterator, Mapping
from typing import Any

from local.expand_template import ACCOUNT, REGION, TEMPLATE, parse_template
from local.state_machines import definition_of
from tests.proof.rights.calls import kms_request
from tests.proof.rights.iam import Request
from tests.proof.rights.world import Subject

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
"""https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html#resultwriter-iam-policies"""


def requests_of_machine(machine: Subject) -> list[Request]:
    """Return the rights that the role of a state machine needs."""
    properties = machine.properties
    location = parse_template()["Resources"][machine.logical_id]["Properties"]["DefinitionUri"]
    substitutions = {name: str(value) for name, value in properties["DefinitionSubstitutions"].items()}
    definition = definition_of((TEMPLATE.parent / location).read_text("utf-8"), substitutions)
    needed = list(_requests_of_states(definition, properties["StateMachineName"], machine.kms_key))
    if properties["LoggingConfiguration"]["Level"] != "OFF":
        needed += [Request(action, "*") for action in LOGGING]
    if properties["TracingConfiguration"]["Enabled"]:
        needed += [Request(action, "*") for action in TRACING]
    return needed


def _requests_of_states(machine: Mapping[str, Any], name: str, kms_key: str | None) -> Iterator[Request]:
    for state in machine["States"].values():
        if state["Type"] == "Task":
            if state["Resource"] != "arn:aws:states:::lambda:invoke":
                raise NotImplementedError(state["Resource"])
            yield Request("lambda:InvokeFunction", state["Parameters"]["FunctionName"])
        elif state["Type"] == "Map":
            yield from _requests_of_map(state, name, kms_key)
            yield from _requests_of_states(state["ItemProcessor"], name, kms_key)


def _requests_of_map(state: Mapping[str, Any], name: str, kms_key: str | None) -> Iterator[Request]:
    """https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html"""
    if state["ItemProcessor"]["ProcessorConfig"]["Mode"] != "DISTRIBUTED":
        return
    states = f"arn:aws:states:{REGION}:{ACCOUNT}"
    yield Request("states:StartExecution", f"{states}:stateMachine:{name}")
    for action in FOLLOWING:
        yield Request(action, f"{states}:execution:{name}/{state['Label']}:0f5c8a1e")
    # PrepareList writes the items to results/<execution>/items.jsonl.
    yield Request("s3:GetObject", f"arn:aws:s3:::{state['ItemReader']['Parameters']['Bucket']}/results/run/items.jsonl")
    results = f"arn:aws:s3:::{state['ResultWriter']['Parameters']['Bucket']}/results/run/0f5c8a1e/manifest.json"
    for action in WRITING:
        yield Request(action, results)
    for action in ["kms:Decrypt", "kms:GenerateDataKey"] if kms_key else []:
        yield kms_request(action, str(kms_key), "s3")
