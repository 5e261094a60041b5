"""The fake S3 returns the responses of moto: both get the same calls."""

import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

from botocore.exceptions import ClientError

from local.account import BUCKET, Account
from tests.memory_s3 import MemoryS3

JSON = {"Bucket": BUCKET, "Key": "record.json", "ContentType": "application/json"}
PNG = {"Bucket": BUCKET, "Key": "picture.png", "ContentType": "image/png"}
FIRST, SECOND = b'{"n": 1}', b'{"n": 2}'

Call = Callable[[Any], dict[str, Any]]


def with_etag(client: Any, key: str, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  # boto3 or the fake
    etag = client.head_object(Bucket=BUCKET, Key=key)["ETag"]
    return dict(client.put_object(**parameters, IfMatch=etag))


CALLS: dict[str, Call] = {
    "get a missing object": lambda s3: s3.get_object(Bucket=BUCKET, Key="record.json"),
    "head a missing object": lambda s3: s3.head_object(Bucket=BUCKET, Key="record.json"),
    "replace a missing object": lambda s3: s3.put_object(**JSON, Body=FIRST, IfMatch='"0"'),
    "create": lambda s3: s3.put_object(**JSON, Body=FIRST, IfNoneMatch="*"),
    "create again": lambda s3: s3.put_object(**JSON, Body=SECOND, IfNoneMatch="*"),
    "get": lambda s3: s3.get_object(Bucket=BUCKET, Key="record.json"),
    "replace another version": lambda s3: s3.put_object(**JSON, Body=SECOND, IfMatch='"0"'),
    "replace this version": lambda s3: with_etag(s3, "record.json", **JSON, Body=SECOND),
    "get the new version": lambda s3: s3.get_object(Bucket=BUCKET, Key="record.json"),
    "put a file with metadata": lambda s3: s3.put_object(**PNG, Body=BytesIO(b"png"), Metadata={"request-hash": "f0"}),
    "put over it": lambda s3: s3.put_object(**PNG, Body=b"PNG", Metadata={"request-hash": "f1"}),
    "head": lambda s3: s3.head_object(Bucket=BUCKET, Key="picture.png"),
    "get the file": lambda s3: s3.get_object(Bucket=BUCKET, Key="picture.png"),
}


def response_to(client: object, call: Call) -> dict[str, Any]:
    try:
        response = call(client)
    except ClientError as error:
        return {"code": error.response["Error"]["Code"], "status": error.response["ResponseMetadata"]["HTTPStatusCode"]}
    known: dict[str, Any] = {name: response[name] for name in ("ETag", "ContentType", "Metadata") if name in response}
    if "LastModified" in response:
        known["modified just now, in UTC"] = abs(response["LastModified"].timestamp() - time.time()) < 60
        known["offset"] = response["LastModified"].utcoffset()
    return known | ({"Body": response["Body"].read()} if "Body" in response else {})


def test_memory_s3_responds_like_moto(account: Account) -> None:
    moto = account.s3()
    fake = MemoryS3(time.time)
    for name, call in CALLS.items():
        assert response_to(fake, call) == response_to(moto, call), name
