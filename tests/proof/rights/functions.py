"""The functions of the template: their paths, and the rights that they must not have."""

import json
import time
from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

from local.expand_template import ACCOUNT, EVERY_OPTION, REGION
from tests.proof.rights import api_paths, batch_paths, generate_image_paths, shard_paths
from tests.proof.rights.calls import kms_request
from tests.proof.rights.iam import Request
from tests.proof.rights.world import Path, World

BUCKET = "arn:aws:s3:::picturebucket"
PICTURE = f"{BUCKET}/temporal/cli_1/0f5c8a1e.png"
LEDGER = f"{BUCKET}/budgets/cli_1/2026-11.json"
SECRETS = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"
LOGS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:"
FUNCTIONS = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
EXECUTIONS = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:"
MACHINES = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:"
KEY = EVERY_OPTION["KmsKeyArn"]
ANOTHER_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/another"


def _secret(name: str) -> Request:
    return Request("secretsmanager:GetSecretValue", f"{SECRETS}{name}-AbCdEf")


def _list(prefix: str) -> Request:
    return Request("s3:ListBucket", BUCKET, {"s3:prefix": prefix})


FORBIDDEN_TO_ALL = [
    Request("s3:DeleteObject", PICTURE),
    Request("s3:PutObjectAcl", PICTURE),
    Request("s3:PutObjectTagging", PICTURE),
    Request("s3:GetObject", "arn:aws:s3:::another-bucket/temporal/cli_1/0f5c8a1e.png"),
    Request("s3:PutObject", "arn:aws:s3:::another-bucket/temporal/cli_1/0f5c8a1e.png"),
    Request("s3:PutObject", f"{BUCKET}/lists/spring.json"),
    Request("s3:ListBucket", BUCKET),
    _list(""),
    Request("s3:ListBucket", "arn:aws:s3:::another-bucket", {"s3:prefix": "temporal/cli_1/"}),
    Request("s3:DeleteBucket", BUCKET),
    Request("s3:PutBucketPolicy", BUCKET),
    Request("s3:PutLifecycleConfiguration", BUCKET),
    _secret("another/shared/credencial-openai"),
    _secret("generate-images/shared/credencial-openai"),
    _secret("generate-image/another/credencial-openai"),
    _secret("generate-image/cloudfront/another"),
    _secret("generate-image/webhook/2026-11"),
    _secret("events!connection/webhookconnection/0f5c8a1e/auth"),  # EventBridge's copy
    _secret("generate-image/cloudfront/2026-11-2"),
    Request("secretsmanager:PutSecretValue", f"{SECRETS}generate-image/shared/credencial-openai-AbCdEf"),
    Request("secretsmanager:DeleteSecret", f"{SECRETS}generate-image/shared/credencial-openai-AbCdEf"),
    Request("secretsmanager:ListSecrets", "*"),
    Request("kms:Decrypt", KEY),
    Request("kms:GenerateDataKey", KEY),
    kms_request("kms:Decrypt", KEY, "dynamodb"),
    kms_request("kms:Decrypt", KEY, "s3", "us-east-1"),
    kms_request("kms:Decrypt", ANOTHER_KEY, "s3"),
    kms_request("kms:GenerateDataKey", ANOTHER_KEY, "s3"),
    kms_request("kms:GenerateDataKey", KEY, "secretsmanager"),
    kms_request("kms:CreateGrant", KEY, "s3"),
    Request("logs:PutLogEvents", f"{LOGS}another:log-stream:stream"),
    Request("logs:CreateLogGroup", f"{LOGS}another"),
    Request("lambda:InvokeFunction", f"{FUNCTIONS}another"),
    Request("lambda:UpdateFunctionCode", f"{FUNCTIONS}generateimagefunction"),
    Request("states:StartExecution", f"{MACHINES}another"),
    Request("events:UpdateConnection", f"arn:aws:events:{REGION}:{ACCOUNT}:connection/webhookconnection"),
    Request("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/generateimagerole"),
    Request("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/another"),
]
"""Requests that every role must deny."""
FORBIDDEN_BY_DEFAULT = [
    _secret("generate-image/cloudfront/2026-11"),
    kms_request("kms:Decrypt", KEY, "s3"),
    kms_request("kms:Decrypt", KEY, "secretsmanager"),
    kms_request("kms:GenerateDataKey", KEY, "s3"),
]
"""Requests that every role of the stack without options must deny."""

SHARED_SECRET = _secret("generate-image/shared/credencial-openai")
SIGNING_KEY = _secret("generate-image/cloudfront/2026-11")
WRITE_PICTURE = Request("s3:PutObject", PICTURE)
WRITE_LEDGER = Request("s3:PutObject", LEDGER)
PICTURES_AND_LEDGERS = [
    Request("s3:GetObject", PICTURE),
    Request("s3:GetObject", LEDGER),
    WRITE_PICTURE,
    WRITE_LEDGER,
    _list("temporal/"),
    _list("budgets/"),
]
READ_LIST = Request("s3:GetObject", f"{BUCKET}/lists/spring.json")
READ_RESULTS = Request("s3:GetObject", f"{BUCKET}/results/spring/manifest.json")
WRITE_RESULTS = Request("s3:PutObject", f"{BUCKET}/results/spring/manifest.json")
ENCRYPT = kms_request("kms:GenerateDataKey", KEY, "s3")
INVOKE = Request("lambda:InvokeFunction", f"{FUNCTIONS}generateimagefunction")
DESTINATIONS = f"arn:aws:events:{REGION}:{ACCOUNT}:api-destination/"
FORBIDDEN_TO_MACHINES = [*PICTURES_AND_LEDGERS, READ_LIST, SHARED_SECRET, SIGNING_KEY, _list("results/")]
FORBIDDEN_TO_RULES = [
    *FORBIDDEN_TO_MACHINES,
    INVOKE,
    Request("events:InvokeApiDestination", f"{DESTINATIONS}another/0f5c8a1e"),
    Request("events:PutEvents", f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"),
    Request("sqs:ReceiveMessage", f"arn:aws:sqs:{REGION}:{ACCOUNT}:undeliveredqueue"),
]


def log_and_traces_are_written(world: World) -> None:
    """Do what Lambda does under every function's role."""
    if world.properties["TracingConfig"]["Mode"] == "Active":
        # moto's X-Ray needs AWS's X-Ray SDK, which is out of support.
        world.role.require(Request("xray:PutTraceSegments", "*"))
        world.role.require(Request("xray:PutTelemetryRecords", "*"))
    stream = {"logGroupName": world.properties["LoggingConfig"]["LogGroup"], "logStreamName": str(uuid4())}
    world.role.clients.logs.create_log_stream(**stream)
    event = {"timestamp": int(time.time() * 1000), "message": "{}"}
    world.role.clients.logs.put_log_events(**stream, logEvents=[event])


def models_are_checked(world: World) -> None:
    [target] = world.subject.stack.properties("ModelWatchFunctionEveryDay")["Targets"]
    assert set(world.invoke(json.loads(target["Input"]))) == set(world.environ["IMAGE_MODELS"].split(","))


class Program(NamedTuple):
    """A function's paths, and the rights of its neighbours, which it must not have."""

    paths: Sequence[Path]
    forbidden: Sequence[Request]


PROGRAMS = {
    "GenerateImageFunction": Program(
        [log_and_traces_are_written, *generate_image_paths.PATHS],
        [READ_LIST, READ_RESULTS, WRITE_RESULTS, INVOKE, _list("lists/"), _list("results/")],
    ),
    "ApiFunction": Program(
        [log_and_traces_are_written, *api_paths.PATHS],
        [
            SHARED_SECRET,
            WRITE_PICTURE,
            WRITE_LEDGER,
            ENCRYPT,
            READ_LIST,
            READ_RESULTS,
            INVOKE,
            _list("lists/"),
            _list("results/"),
            Request("states:StopExecution", f"{EXECUTIONS}generateimagestatemachine:0f5c8a1e"),
            Request("states:StartExecution", f"{MACHINES}generate-image-generate-images-batch"),
        ],
    ),
    "ModelWatchFunction": Program(
        [log_and_traces_are_written, models_are_checked],
        [
            *PICTURES_AND_LEDGERS,
            ENCRYPT,
            SIGNING_KEY,
            _secret("generate-image/shared/another"),
            _secret("generate-image/shared/credencial-openai-2"),
        ],
    ),
    "PrepareListFunction": Program(
        [log_and_traces_are_written, *batch_paths.PREPARE_LIST_PATHS],
        [*PICTURES_AND_LEDGERS, READ_RESULTS, SHARED_SECRET, SIGNING_KEY, INVOKE, _list("results/")],
    ),
    "BatchShardsFunction": Program(
        [log_and_traces_are_written, *shard_paths.PATHS],
        [READ_LIST, READ_RESULTS, WRITE_RESULTS, INVOKE, _list("lists/")],
    ),
    "CountResultsFunction": Program(
        [log_and_traces_are_written, *batch_paths.COUNT_RESULTS_PATHS],
        [
            *PICTURES_AND_LEDGERS,
            READ_LIST,
            SHARED_SECRET,
            SIGNING_KEY,
            INVOKE,
            _list("lists/"),
        ],
    ),
}
"""By the function's name in the template."""
