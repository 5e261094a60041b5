"""The rights that an API call needs, by the Service Authorization Reference.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Mapping
from typing import Any

from local.expand_template import ACCOUNT, REGION
from tests.proof.rights.iam import Request

S3_ACTIONS = {
    "HeadObject": "s3:GetObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
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
RANDOM_SUFFIX = "-AbCdEf"
"""Secrets Manager adds a hyphen and six random characters to a secret's name in its ARN."""


def requests_of(service: str, operation: str, parameters: Mapping[str, Any], kms_key: str | None) -> list[Request]:
    """Return the rights that one call needs. kms_key: the ARN of the key that encrypts objects and secrets, or None."""
    kms = KMS_ACTIONS.get(operation, []) if kms_key else []
    return [_request(service, operation, parameters), *(kms_request(action, str(kms_key), service) for action in kms)]


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


def _request(service: str, operation: str, parameters: Mapping[str, Any]) -> Request:
    match service:
        case "s3":
            action = S3_ACTIONS.get(operation, f"s3:{operation}")
            return Request(action, f"arn:aws:s3:::{parameters['Bucket']}/{parameters['Key']}")
        case "secretsmanager":
            secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{parameters['SecretId']}{RANDOM_SUFFIX}"
            return Request(f"secretsmanager:{operation}", secret)
        case "logs":
            group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{parameters['logGroupName']}"
            return Request(f"logs:{operation}", f"{group}:log-stream:{parameters['logStreamName']}")
        case "stepfunctions":
            arn = parameters.get("executionArn") or parameters["stateMachineArn"]
            return Request(f"states:{operation}", arn)
    raise NotImplementedError(f"{service}: {operation}")
