"""The requests that the roles must deny: changes of stored pictures, and granted actions on other resources.

The proof shows that each granted action is needed, so no other action is granted.
"""

from collections.abc import Sequence

from local.expand_template import ACCOUNT, EVERY_OPTION, REGION
from tests.proof.rights.iam import Request
from tests.proof.rights.needs import FUNCTIONS, MACHINES, Subject, kms_request

BUCKET = "arn:aws:s3:::picturebucket"
ANOTHER_BUCKET = "arn:aws:s3:::another-bucket"
PICTURE = f"{BUCKET}/temporal/cli_1/0f5c8a1e.png"
LEDGER = f"{BUCKET}/budgets/cli_1/2026-11.json"
SECRETS = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"
LOGS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:"
LAMBDA = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
STATES = f"arn:aws:states:{REGION}:{ACCOUNT}"
EVENTS = f"arn:aws:events:{REGION}:{ACCOUNT}"
KEY = EVERY_OPTION["KmsKeyArn"]
ANOTHER_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/another"


def _to(resource: str, *actions: str) -> list[Request]:
    return [Request(action, resource) for action in actions]


def _secret(name: str) -> Request:
    return Request("secretsmanager:GetSecretValue", f"{SECRETS}{name}-AbCdEf")


def _list(prefix: str) -> Request:
    return Request("s3:ListBucket", BUCKET, {"s3:prefix": prefix})


SHARED_SECRET = _secret("generate-image/shared/credencial-openai")
SIGNING_KEY = _secret("generate-image/cloudfront/2026-11")

TO_ALL = [
    *_to(PICTURE, "s3:DeleteObject", "s3:PutObjectAcl", "s3:PutObjectTagging"),
    *_to(f"{ANOTHER_BUCKET}/temporal/cli_1/0f5c8a1e.png", "s3:GetObject", "s3:PutObject"),
    *_to(BUCKET, "s3:ListBucket"),
    _list(""),
    Request("s3:ListBucket", ANOTHER_BUCKET, {"s3:prefix": "temporal/cli_1/"}),
    *_to(f"{BUCKET}/lists/spring.json", "s3:PutObject"),
    _secret("another/shared/credencial-openai"),
    _secret("generate-image/another/credencial-openai"),
    _secret("generate-image/cloudfront/2026-11-2"),
    _secret("generate-image/webhook/2026-11"),
    _secret("events!connection/webhookconnection/0f5c8a1e/auth"),  # EventBridge's copy
    *_to(KEY, "kms:Decrypt", "kms:GenerateDataKey"),
    *(kms_request(f"kms:{action}", ANOTHER_KEY, "s3") for action in ("Decrypt", "GenerateDataKey")),
    kms_request("kms:Decrypt", KEY, "dynamodb"),
    kms_request("kms:Decrypt", KEY, "s3", "us-east-1"),
    kms_request("kms:GenerateDataKey", KEY, "secretsmanager"),
    *_to(f"{LOGS}another:log-stream:stream", "logs:PutLogEvents"),
    *_to(f"{LAMBDA}another", "lambda:InvokeFunction"),
    *_to(f"{STATES}:stateMachine:another", "states:StartExecution"),
    *_to(f"{EVENTS}:api-destination/another/0f5c8a1e", "events:InvokeApiDestination"),
]

WRITES = [Request("s3:PutObject", PICTURE), Request("s3:PutObject", LEDGER)]
READS = [Request("s3:GetObject", PICTURE), Request("s3:GetObject", LEDGER), _list("temporal/"), _list("budgets/")]
LISTS = [Request("s3:GetObject", f"{BUCKET}/lists/spring.json"), _list("lists/")]
RESULTS = [Request("s3:GetObject", f"{BUCKET}/results/spring/manifest.json"), _list("results/")]
WRITE_RESULTS = Request("s3:PutObject", f"{BUCKET}/results/spring/manifest.json")

TO_FUNCTIONS = {
    "GenerateImageFunction": [*LISTS, *RESULTS, WRITE_RESULTS],
    "ApiFunction": [
        *(SHARED_SECRET, *LISTS, *RESULTS),
        Request("states:StartExecution", f"{STATES}:stateMachine:generate-image-generate-images-batch"),
    ],
    "ModelWatchFunction": [
        SIGNING_KEY,
        _secret("generate-image/shared/another"),
        _secret("generate-image/shared/credencial-openai-2"),
    ],
    "PrepareListFunction": [*READS, *WRITES, *RESULTS],
    "BatchShardsFunction": [*LISTS, RESULTS[0], WRITE_RESULTS],
    "CountResultsFunction": [*READS, *WRITES, *LISTS],
}
"""The objects, secrets and state machines of a function's neighbours."""
TO_MACHINES = [*READS, *WRITES, LISTS[0]]


def forbidden_to(subject: Subject) -> Sequence[Request]:
    """Return the requests that the subject's role must deny."""
    requests = TO_ALL + ([SIGNING_KEY] if subject.stack_name == "defaults" else [])
    if subject in FUNCTIONS:
        return requests + TO_FUNCTIONS[subject.logical_id]
    return requests + (TO_MACHINES if subject in MACHINES else [])
