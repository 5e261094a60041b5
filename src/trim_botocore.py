"""`python trim_botocore.py botocore/data`: keep only the data of the operations that the functions call.

botocore ships the descriptions of 400 services, 25 MB. Before it makes a client, it reads the endpoints of all
services (1.2 MB) and each operation and shape of the client's service.
"""

import gzip
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

OPERATIONS = {
    "s3": (
        "AbortMultipartUpload",
        "CompleteMultipartUpload",
        "CreateMultipartUpload",
        "GetObject",
        "HeadBucket",
        "HeadObject",
        "PutObject",
        "UploadPart",
    ),
    "secretsmanager": ("GetSecretValue",),
    "stepfunctions": ("DescribeExecution", "StartExecution"),
}
"""botocore itself calls HeadBucket to find a bucket's region."""
ENDPOINTS = {"s3", "secretsmanager", "states"}
"""The same services, with the names that endpoints.json uses."""


def main(data: Path) -> None:
    """Trim botocore's data directory. Fails if botocore lacks a service, an operation or an endpoint named above."""
    for directory in data.iterdir():
        if directory.is_dir() and directory.name not in OPERATIONS:
            shutil.rmtree(directory)
    for path in data.rglob("examples-*"):
        path.unlink()
    for service, operations in OPERATIONS.items():
        [packed] = data.glob(f"{service}/*/service-2.json.gz")
        model = json.loads(gzip.decompress(packed.read_bytes()))
        packed.unlink()
        _write(packed.with_suffix(""), trimmed(model, operations))
    path = data / "endpoints.json"
    endpoints = json.loads(path.read_text("utf-8"))
    for partition in endpoints["partitions"]:
        partition["services"] = {name: value for name, value in partition["services"].items() if name in ENDPOINTS}
    if {name for partition in endpoints["partitions"] for name in partition["services"]} != ENDPOINTS:
        sys.exit(f"{path} does not have the endpoints of {', '.join(sorted(ENDPOINTS))}.")
    _write(path, endpoints)


def trimmed(model: Mapping[str, Any], operations: Sequence[str]) -> dict[str, Any]:
    """Return a service's description, without its documentation, with these operations and the shapes that they use."""
    kept = {name: _without_documentation(model["operations"][name]) for name in operations}
    shapes: dict[str, Any] = {}
    names = list(_shapes_of(kept))
    while names:
        name = names.pop()
        if name not in shapes:
            shapes[name] = _without_documentation(model["shapes"][name])
            names += _shapes_of(shapes[name])
    return {**model, "operations": kept, "shapes": dict(sorted(shapes.items())), "documentation": ""}


def _shapes_of(value: object) -> Iterator[str]:
    """Yield the names of the shapes to which a part of a description refers."""
    if isinstance(value, dict):
        if isinstance(value.get("shape"), str):
            yield value["shape"]
        for part in value.values():
            yield from _shapes_of(part)
    elif isinstance(value, list):
        for part in value:
            yield from _shapes_of(part)


def _without_documentation(value: object) -> Any:  # noqa: ANN401  # JSON
    """Return a part of a description without its documentation. A member named so is not text, and stays."""
    if isinstance(value, dict):
        return {
            name: _without_documentation(part)
            for name, part in value.items()
            if not (name == "documentation" and isinstance(part, str))
        }
    return [_without_documentation(part) for part in value] if isinstance(value, list) else value


def _write(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, separators=(",", ":")), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
