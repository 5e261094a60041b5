"""The imports of each function, which every cold start pays for, and the AWS operations in the artifact."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import Session

from trim_botocore import OPERATIONS

SOURCE = Path(__file__).parents[2] / "src"
FUNCTIONS = sorted(path.stem for path in (SOURCE / "generate_image/functions").glob("[a-z]*.py"))
FUNCTIONS_WITH_PROVIDER = {"generate_image", "model_watch", "batch_shards"}
SLOW = {"asyncio", "sqlite3", "unittest", "openai", "pydantic", "aws_xray_sdk", "cryptography"}
PROBE = """
import contextlib, gc, json, sys
def collections():
    return sum(generation["collections"] for generation in gc.get_stats())
before, thresholds = collections(), gc.get_threshold()
from generate_image.functions.{function} import handler
class Context:
    aws_request_id = "request-1"
    client_context = None
    get_remaining_time_in_millis = staticmethod(lambda: 1)
loaded = {{name.partition(".")[0] for name, module in sys.modules.items() if getattr(module, "__file__", None)}}
rested = collections() - before
sys.stdout = sys.stderr
with contextlib.suppress(Exception):
    handler({{}}, Context)
has_usual_thresholds = thresholds == gc.get_threshold()
print(json.dumps([sorted(loaded), rested, has_usual_thresholds, gc.get_freeze_count()]), file=sys.__stdout__)
"""
ENVIRONMENT = {
    "IMAGE_BUCKET": "pictures",
    "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:images",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_imports_no_slow_package(function: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", PROBE.format(function=function)],
        env={"PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1", **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded, collections_before_clients, has_usual_thresholds, frozen_objects = json.loads(process.stdout)
    assert not SLOW & set(loaded)
    assert ("requests" in loaded) == (function in FUNCTIONS_WITH_PROVIDER)
    assert collections_before_clients <= 3
    assert has_usual_thresholds
    assert frozen_objects > 0


@pytest.mark.parametrize("service", OPERATIONS)
def test_artifact_keeps_the_called_operations(service: str) -> None:
    trees = [ast.parse(path.read_text("utf-8")) for path in (SOURCE / "generate_image").rglob("*.py")]
    attributes = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    operations = Session().get_service_model(service).operation_names
    called = {operation for operation in operations if xform_name(operation) in attributes}
    assert called <= set(OPERATIONS[service])
