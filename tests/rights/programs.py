"""Every role of the template: the paths of what runs under it, and what is outside its rights."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from generate_image.deadline import Deadline
from generate_image.retirement import ModelWatch
from generate_image.settings import Settings
from generate_image.totals import count
from tests.rights import buying, waiting
from tests.rights.iam import Request
from tests.rights.world import World
from tests.template.everything import EVERYTHING
from tests.template.stack import ACCOUNT, REGION

BUCKET = "arn:aws:s3:::picturebucket"
PICTURE = f"{BUCKET}/temporal/cli_1/0f5c8a1e.png"
SECRETS = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"
LOGS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:"
FUNCTIONS = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
EXECUTIONS = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:"
MACHINES = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:"

OUTSIDE_EVERY_ROLE = [
    Request("s3:DeleteObject", PICTURE),
    Request("s3:PutObjectAcl", PICTURE),
    Request("s3:PutObjectTagging", PICTURE),
    Request("s3:GetObject", "arn:aws:s3:::another-bucket/temporal/cli_1/0f5c8a1e.png"),
    Request("s3:PutObject", "arn:aws:s3:::another-bucket/temporal/cli_1/0f5c8a1e.png"),
    Request("s3:PutObject", f"{BUCKET}/lists/spring.json"),
    Request("s3:ListBucket", BUCKET),
    Request("s3:ListBucket", BUCKET, {"s3:prefix": ""}),
    Request("s3:ListBucket", BUCKET, {"s3:prefix": "results/"}),
    Request("s3:ListBucket", "arn:aws:s3:::another-bucket", {"s3:prefix": "temporal/cli_1/"}),
    Request("s3:DeleteBucket", BUCKET),
    Request("s3:PutBucketPolicy", BUCKET),
    Request("s3:PutLifecycleConfiguration", BUCKET),
    Request("secretsmanager:GetSecretValue", f"{SECRETS}another/shared/credencial-openai-AbCdEf"),
    Request("secretsmanager:GetSecretValue", f"{SECRETS}generate-images/shared/credencial-openai-AbCdEf"),
    Request("secretsmanager:PutSecretValue", f"{SECRETS}generate-image/shared/credencial-openai-AbCdEf"),
    Request("secretsmanager:DeleteSecret", f"{SECRETS}generate-image/shared/credencial-openai-AbCdEf"),
    Request("secretsmanager:ListSecrets", "*"),
    Request("logs:PutLogEvents", f"{LOGS}another:log-stream:stream"),
    Request("logs:CreateLogGroup", f"{LOGS}another"),
    Request("lambda:InvokeFunction", f"{FUNCTIONS}another"),
    Request("lambda:UpdateFunctionCode", f"{FUNCTIONS}generateimagefunction"),
    Request("states:StartExecution", f"{MACHINES}another"),
    Request("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/generateimagerole"),
    Request("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/another"),
]
"""What no role may do. The account's root may; so may whoever it lets."""
READS_AND_WRITES_NO_PICTURE = [Request("s3:GetObject", PICTURE), Request("s3:PutObject", PICTURE)]
READS_NO_SECRET = [Request("secretsmanager:GetSecretValue", f"{SECRETS}generate-image/shared/credencial-openai-AbCdEf")]


@dataclass(frozen=True, kw_only=True)
class Program:
    """What runs under a role. prepare: what an operator did before. outside: what of its neighbours it may not do."""

    function: str
    paths: Sequence[Callable[[World], None]]
    prepare: Callable[[World], None] = lambda _: None
    outside: Sequence[Request] = field(default_factory=list)


def lambda_writes_its_log_and_its_traces(world: World) -> None:
    """Do what Lambda does under the function's role, whatever the function does."""
    if world.function["TracingConfig"]["Mode"] == "Active":
        world.role.ask(
            Request("xray:PutTraceSegments", "*")
        )  # moto's X-Ray needs AWS's X-Ray SDK, which has had its day
        world.role.ask(Request("xray:PutTelemetryRecords", "*"))
    group = world.function["LoggingConfig"]["LogGroup"]
    world.of_owner("logs").create_log_group(logGroupName=group)
    logs = world.role.client("logs")
    logs.create_log_stream(logGroupName=group, logStreamName="stream")
    event = {"timestamp": int(time.time() * 1000), "message": "{}"}
    logs.put_log_events(logGroupName=group, logStreamName="stream", logEvents=[event])


def models_are_asked_about(world: World) -> None:
    settings = Settings.from_mapping(world.environ)
    watch = ModelWatch(settings, world.role.client("secretsmanager"), world.telemetry, clock=time.time)
    event = {"credential": EVERYTHING["ModelWatchCredential"]}
    days_left = watch.look(event, Deadline(time.time() + 30, time.time))
    assert set(days_left) == set(settings.image_models)


def results_are_counted(world: World) -> None:
    s3 = world.of_owner("s3")
    output = json.dumps({"_meta_": {"replayed": False, "cost_usd": 0.01}})
    manifest = {"ResultFiles": {"SUCCEEDED": [{"Key": "results/spring/0f5c8a1e/SUCCEEDED_0.jsonl"}]}}
    files = {
        "results/spring/0f5c8a1e/manifest.json": manifest,
        "results/spring/0f5c8a1e/SUCCEEDED_0.jsonl": {"Status": "SUCCEEDED", "Output": output},
    }
    for key, content in files.items():
        s3.put_object(Bucket="picturebucket", Key=key, Body=json.dumps(content).encode())
    totals = count(
        world.role.client("s3"), name="spring", bucket="picturebucket", key="results/spring/0f5c8a1e/manifest.json"
    )
    assert totals["bought"] == 1


FUNCTION_ROLES = {
    "GenerateImageRole": Program(
        function="GenerateImageFunction",
        prepare=buying.prepare,
        paths=[lambda_writes_its_log_and_its_traces, *buying.PATHS],
        outside=[
            Request("s3:GetObject", f"{BUCKET}/lists/spring.json"),
            Request("s3:GetObject", f"{BUCKET}/results/spring/manifest.json"),
            Request("lambda:InvokeFunction", f"{FUNCTIONS}generateimagefunction"),
        ],
    ),
    "ApiRole": Program(
        function="ApiFunction",
        prepare=waiting.prepare,
        paths=[lambda_writes_its_log_and_its_traces, *waiting.PATHS],
        outside=[
            *READS_NO_SECRET,
            Request("s3:PutObject", PICTURE),
            Request("s3:GetObject", f"{BUCKET}/lists/spring.json"),
            Request("states:StopExecution", f"{EXECUTIONS}generateimagestatemachine:0f5c8a1e"),
            Request("states:StartExecution", f"{MACHINES}generate-image-generate-images-batch"),
            Request("lambda:InvokeFunction", f"{FUNCTIONS}generateimagefunction"),
        ],
    ),
    "ModelWatchRole": Program(
        function="ModelWatchFunction",
        prepare=buying.share_credential,
        paths=[models_are_asked_about, lambda_writes_its_log_and_its_traces],
        outside=[
            *READS_AND_WRITES_NO_PICTURE,
            Request("secretsmanager:GetSecretValue", f"{SECRETS}generate-image/shared/another-AbCdEf"),
            Request("secretsmanager:GetSecretValue", f"{SECRETS}generate-image/shared/credencial-openai-2-AbCdEf"),
        ],
    ),
    "CountResultsRole": Program(
        function="CountResultsFunction",
        paths=[results_are_counted, lambda_writes_its_log_and_its_traces],
        outside=[
            *READS_AND_WRITES_NO_PICTURE,
            *READS_NO_SECRET,
            Request("s3:PutObject", f"{BUCKET}/results/spring/0f5c8a1e/manifest.json"),
        ],
    ),
}
MACHINE_ROLES = {
    "GenerateImageStateMachineRole": ("GenerateImageStateMachine", "generate_image.asl.yaml"),
    "GenerateImagesBatchStateMachineRole": ("GenerateImagesBatchStateMachine", "generate_images_batch.asl.yaml"),
}
"""By role: its state machine and the file that defines it."""
