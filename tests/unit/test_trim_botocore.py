"""The artifact keeps the data of the AWS operations that the code calls, and of no other operation."""

import ast
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import Session

from trim_botocore import OPERATIONS

SOURCES = Path(__file__).parents[2] / "src/generate_image"
UPLOAD = {"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload"}
CALLED_BY_BOTO3 = {"s3": {"HeadBucket", *UPLOAD}}
"""To find a bucket's region, and in upload_fileobj."""


@pytest.mark.parametrize("service", OPERATIONS)
def test_artifact_keeps_exactly_the_called_operations(service: str) -> None:
    trees = [ast.parse(path.read_text("utf-8")) for path in SOURCES.rglob("*.py")]
    attributes = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    operations = Session().get_service_model(service).operation_names

    called = {operation for operation in operations if xform_name(operation) in attributes}

    assert set(OPERATIONS[service]) == called | CALLED_BY_BOTO3.get(service, set())
