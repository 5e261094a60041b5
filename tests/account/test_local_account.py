"""The local account: no web page reads it, and its objects survive in a folder."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from botocore.exceptions import ClientError

from generate_image.aws.secrets import CredentialsStore
from generate_image.errors import CredentialsError
from local.account import BUCKET, CREDENTIALS_ID, CREDENTIALS_PREFIX, Account, LocalSecrets, local_account, secret_name
from local.functions import environment
from local.terminal import CommandError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PICTURE = "temporal/cli_1/5f0c.png"
RECORD = "temporal/cli_1/5f0c.json"
LEDGER = "budgets/cli_1/2026-11.json"
SHARDS = "results/batch/shards/00000.json"
DAY_SECONDS = 86_400


@contextmanager
def account_in(folder: Path) -> Iterator["S3Client"]:
    with local_account(folder=folder) as account:
        yield account.s3()


def put(s3: "S3Client", *keys: str) -> None:
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"{}")


def keys(s3: "S3Client") -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


@pytest.mark.parametrize("headers", [{"Origin": "null"}, {"Host": "evil.example"}, {"Host": "127.0.0.1"}])
def test_web_page_cannot_read_a_secret(account: Account, headers: dict[str, str]) -> None:
    account.create_secret({"apiKey": "sk-stand-in"})
    target = {"X-Amz-Target": "secretsmanager.GetSecretValue", "Content-Type": "application/x-amz-json-1.1"}
    body = json.dumps({"SecretId": secret_name()})

    response = requests.post(account.endpoint, data=body, headers={**target, **headers}, timeout=10)

    assert response.status_code == 403
    assert "sk-" not in response.text


def test_real_key_is_in_no_server(account: Account) -> None:
    secrets = LocalSecrets({secret_name(): {"apiKey": "sk-real"}})
    made = environment(account, account.settings, secrets_manager=secrets)
    store = CredentialsStore(made.clients.secrets_manager, CREDENTIALS_PREFIX, clock=time.time, allows_local_hosts=True)

    assert store.read("1", CREDENTIALS_ID).api_key == "sk-real"
    with pytest.raises(CredentialsError):
        store.read("1", "another")
    of_server = account.session().client("secretsmanager", endpoint_url=account.endpoint)
    assert of_server.list_secrets()["SecretList"] == []


def test_objects_and_conditional_writes_survive(tmp_path: Path) -> None:
    with account_in(tmp_path) as s3:
        s3.put_object(Bucket=BUCKET, Key=PICTURE, Body=b"\x89PNG", ContentType="image/png", Metadata={"model": "flare"})
        put(s3, LEDGER, RECORD, SHARDS)
        before = s3.head_object(Bucket=BUCKET, Key=PICTURE)
        etag = s3.head_object(Bucket=BUCKET, Key=RECORD)["ETag"]
    with account_in(tmp_path) as s3:
        after = s3.get_object(Bucket=BUCKET, Key=PICTURE)
        assert (after["ETag"], after["LastModified"]) == (before["ETag"], before["LastModified"])
        assert (after["ContentType"], after["Metadata"]) == ("image/png", {"model": "flare"})
        assert after["Body"].read() == (tmp_path / PICTURE).read_bytes() == b"\x89PNG"
        assert keys(s3) == [LEDGER, SHARDS, RECORD, PICTURE]
        with pytest.raises(ClientError, match="PreconditionFailed"):
            s3.put_object(Bucket=BUCKET, Key=RECORD, Body=b"{}", IfNoneMatch="*")
        s3.put_object(Bucket=BUCKET, Key=RECORD, Body=b'{"status": "stored"}', IfMatch=etag)
        with pytest.raises(ClientError, match="PreconditionFailed"):
            s3.put_object(Bucket=BUCKET, Key=RECORD, Body=b"{}", IfMatch=etag)
    assert json.loads((tmp_path / RECORD).read_bytes()) == {"status": "stored"}


def test_objects_that_ended_are_in_no_folder(tmp_path: Path) -> None:
    """An object ends by its lifetime or a deletion. A crash leaves a part of a file, or headers without an object."""
    folder = tmp_path / "account"
    with account_in(folder) as s3:
        put(s3, PICTURE, LEDGER, RECORD, "temporal/cli_1/deleted.png", "temporal/../../outside")
        s3.delete_object(Bucket=BUCKET, Key="temporal/cli_1/deleted.png")
    old = time.time() - 7 * DAY_SECONDS - 60
    for key in (PICTURE, LEDGER):
        os.utime(folder / key, (old, old))
    for name in (f"{PICTURE}.new", "temporal/cli_1/cut-off.png.headers"):
        (folder / name).write_bytes(b"{")
    with account_in(folder) as s3:
        assert keys(s3) == [LEDGER, RECORD]
    found = {path.name for path in tmp_path.rglob("*.*")}
    assert found == {"2026-11.json", "2026-11.json.headers", "5f0c.json", "5f0c.json.headers", "cut-off.png.headers"}


@pytest.mark.parametrize(("damaged", "content"), [(RECORD, b"{"), (PICTURE, b""), (f"{PICTURE}.headers", b"[]")])
def test_damaged_file_is_named(tmp_path: Path, damaged: str, content: bytes) -> None:
    with account_in(tmp_path) as s3:
        put(s3, RECORD, PICTURE)
    (tmp_path / damaged).write_bytes(content)

    with pytest.raises(CommandError, match=damaged.removesuffix(".headers")), account_in(tmp_path):
        pass


def test_unwritable_object_is_not_in_the_account(tmp_path: Path) -> None:
    """A write that the folder refuses must fail as a whole: a purchase is allowed only by a kept record."""
    with local_account(folder=tmp_path) as account:
        s3 = account.s3()
        put(s3, PICTURE)
        for unwritable in (f"{RECORD}.headers", f"{PICTURE}.new"):
            (tmp_path / unwritable).mkdir()
        for key in (RECORD, PICTURE):
            with pytest.raises(ClientError, match="InsufficientStorage"):
                s3.put_object(Bucket=BUCKET, Key=key, Body=b"another")
        assert keys(s3) == [PICTURE]
        assert s3.get_object(Bucket=BUCKET, Key=PICTURE)["Body"].read() == b"{}"
        assert account.folder is not None
        assert account.folder.problem is not None
