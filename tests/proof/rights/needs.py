"""The functions, state machines and rules of both stacks, their policies, and the rights that they need.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from local.expand_template import ACCOUNT, EVERY_OPTION, REGION, TEMPLATE, Stack, deploy, parse_template
from local.state_machines import definition_of
from tests.proof.rights.iam import Request, Statement

STACKS = {"defaults": deploy(), "every option": deploy(**EVERY_OPTION)}
S3_ACTIONS = {
    "HeadObject": "GetObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}
"""The actions whose names differ from the API call's."""
KMS_ACTIONS = {
    "GetObject": ["kms:Decrypt"],
    "HeadObject": ["kms:Decrypt"],
    "PutObject": ["kms:GenerateDataKey"],
    "CreateMultipartUpload": ["kms:GenerateDataKey", "kms:Decrypt"],
    "UploadPart": ["kms:GenerateDataKey", "kms:Decrypt"],
    "CompleteMultipartUpload": ["kms:Decrypt"],
    "GetSecretValue": ["kms:Decrypt"],
}
"""The key's actions, which the service needs in the caller's name.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
"""
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


class Subject(NamedTuple):
    """A function, a state machine or an EventBridge rule of a stack."""

    stack_name: str
    logical_id: str

    def __str__(self) -> str:
        return "-".join(self)

    @property
    def stack(self) -> Stack:
        """The stack."""
        return STACKS[self.stack_name]

    @property
    def properties(self) -> dict[str, Any]:
        """The properties in the template."""
        return self.stack.properties(self.logical_id)

    @property
    def role(self) -> str:
        """The logical name of the role."""
        arn = self.properties.get("Role") or self.properties.get("RoleArn") or self.properties["Targets"][0]["RoleArn"]
        [role] = [name for name in self.stack.of_type("AWS::IAM::Role") if arn.endswith(f":role/{name.lower()}")]
        return role

    @property
    def kms_key(self) -> str | None:
        """The key of the bucket and of the secrets."""
        encryption = self.stack.properties("PictureBucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        key: str | None = encryption[0]["ServerSideEncryptionByDefault"].get("KMSMasterKeyID")
        return key

    def statements(self) -> Sequence[Statement]:
        """Return the statements of the role. Those of a managed policy are the same objects for each of its roles."""
        return self.stack.statements(self.role)


def _subjects(resource_type: str) -> list[Subject]:
    return [Subject(name, logical_id) for name, stack in STACKS.items() for logical_id in stack.of_type(resource_type)]


FUNCTIONS = _subjects("AWS::Lambda::Function")
MACHINES = _subjects("AWS::StepFunctions::StateMachine")
RULES = [rule for rule in _subjects("AWS::Events::Rule") if "RoleArn" in rule.properties["Targets"][0]]
SUBJECTS = FUNCTIONS + MACHINES + RULES


def requests_of_call(service: str, operation: str, parameters: Mapping[str, Any], kms_key: str | None) -> list[Request]:
    """Return the rights that one call needs. kms_key: the ARN of the key that encrypts objects and secrets, or None."""
    match service:
        case "s3":
            action = f"s3:{S3_ACTIONS.get(operation, operation)}"
            needed = Request(action, f"arn:aws:s3:::{parameters['Bucket']}/{parameters['Key']}")
        case "secretsmanager":
            # Secrets Manager adds a hyphen and six random characters to a secret's name.
            secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{parameters['SecretId']}-AbCdEf"
            needed = Request(f"secretsmanager:{operation}", secret)
        case "stepfunctions":
            arn = parameters.get("executionArn") or parameters["stateMachineArn"]
            needed = Request(f"states:{operation}", arn)
        case _:
            raise NotImplementedError(f"{service}: {operation}")
    kms = KMS_ACTIONS.get(operation, []) if kms_key else []
    return [needed, *(kms_request(action, str(kms_key), service) for action in kms)]


def kms_request(action: str, kms_key: str, service: str, region: str = REGION) -> Request:
    """Return the request that a service makes in the caller's name.

    https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
    """
    return Request(action, kms_key, {"kms:ViaService": f"{service}.{region}.amazonaws.com"})


def list_request(bucket: str, key: str) -> Request:
    """Return the right without which S3 responds to a read of a missing object with 403, not 404.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html (Permissions). S3 compares the key with the
    prefix: https://github.com/ceph/ceph/pull/68577 and https://github.com/kopia/kopia/pull/3072 observed it.
    """
    return Request("s3:ListBucket", f"arn:aws:s3:::{bucket}", {"s3:prefix": key})


def requests_of(subject: Subject) -> list[Request]:
    """Return the rights that the role of a rule or a state machine needs. moto runs state machines without a role.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
    """
    if subject in RULES:
        return [Request("events:InvokeApiDestination", target["Arn"]) for target in subject.properties["Targets"]]
    properties = subject.properties
    location = parse_template()["Resources"][subject.logical_id]["Properties"]["DefinitionUri"]
    substitutions = {name: str(value) for name, value in properties["DefinitionSubstitutions"].items()}
    definition = definition_of((TEMPLATE.parent / location).read_text("utf-8"), substitutions)
    needed = list(_requests_of_states(definition, properties["StateMachineName"], subject.kms_key))
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
