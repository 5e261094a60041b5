"""What IAM is asked when an API is called, from the Service Authorization Reference.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Mapping
from typing import Any

from tests.rights.iam import Request
from tests.template.stack import ACCOUNT, REGION

S3_ACTIONS = {
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
}
"""Those that do not have the name of their API call."""
RANDOM_SUFFIX = "-AbCdEf"  # Secrets Manager gives each secret's ARN six characters of its own


def requests_of(service: str, operation: str, parameters: Mapping[str, Any]) -> list[Request]:
    """Return everything that IAM must allow for one call."""
    action = S3_ACTIONS.get(operation, f"{service}:{operation}")
    match service:
        case "s3":
            return _s3(action, parameters)
        case "secretsmanager":
            secret = parameters.get("SecretId", parameters.get("Name"))
            name = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{secret}{RANDOM_SUFFIX}" if secret else "*"
            return [Request(action, name)]
        case "logs":
            stream = f":log-stream:{parameters['logStreamName']}" if "logStreamName" in parameters else ""
            group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{parameters['logGroupName']}{stream}"
            return [Request(action, group)]
        case "stepfunctions":
            execution_or_machine = parameters.get("executionArn", parameters.get("stateMachineArn"))
            return [Request(f"states:{operation}", str(execution_or_machine))]
    raise NotImplementedError(f"{service}: {operation}")


def list_that_tells_what_is_missing(parameters: Mapping[str, Any]) -> Request:
    """Return what must be allowed for S3 to answer 404, rather than 403, to a read of a key that is not there.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html (Permissions). The key stands for the prefix:
    https://github.com/ceph/ceph/pull/68577 and https://github.com/kopia/kopia/pull/3072 saw S3 do so.
    """
    return Request("s3:ListBucket", f"arn:aws:s3:::{parameters['Bucket']}", {"s3:prefix": parameters["Key"]})


def _s3(action: str, parameters: Mapping[str, Any]) -> list[Request]:
    bucket = f"arn:aws:s3:::{parameters['Bucket']}"
    if "Key" in parameters:
        return [Request(action, f"{bucket}/{parameters['Key']}")]
    return [Request(action, bucket, {"s3:prefix": parameters["Prefix"]} if "Prefix" in parameters else {})]
