"""`python trim_botocore.py botocore/data`: leave the data of what the functions call, and of nothing else.

botocore ships descriptions of 400 services, 25 MB. To make one client it reads the list of every service's endpoints,
1.2 MB, and each operation and each shape that its service has.
"""

import gzip
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

OPERATIONS = {
    "s3": ("GetObject", "HeadBucket", "HeadObject", "PutObject"),
    "secretsmanager": ("GetSecretValue",),
    "stepfunctions": ("DescribeExecution", "StartExecution"),
}
"""HeadBucket is botocore's own way to find a bucket's region."""
ENDPOINTS = {"s3", "secretsmanager", "states"}
"""The same services, by the names that the list of endpoints has for them."""


def main(data: Path) -> None:
    """Trim botocore's data directory. Fails where botocore no longer has what is to be left."""
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
    """Return a service's description with these operations and the shapes that they lead to, without its prose."""
    kept = {name: _without_prose(model["operations"][name]) for name in operations}
    shapes: dict[str, Any] = {}
    names = list(_shapes_of(kept))
    while names:
        name = names.pop()
        if name not in shapes:
            shapes[name] = _without_prose(model["shapes"][name])
            names += _shapes_of(shapes[name])
    return {**model, "operations": kept, "shapes": dict(sorted(shapes.items())), "documentation": ""}


def _shapes_of(value: object) -> Iterator[str]:
    """Yield the names of the shapes that a part of a description refers to."""
    if isinstance(value, dict):
        if isinstance(value.get("shape"), str):
            yield value["shape"]
        for part in value.values():
            yield from _shapes_of(part)
    elif isinstance(value, list):
        for part in value:
            yield from _shapes_of(part)


def _without_prose(value: object) -> Any:  # noqa: ANN401  # JSON
    """Return a part of a description without its documentation (a member of that name would be no text)."""
    if isinstance(value, dict):
        return {
            name: _without_prose(part)
            for name, part in value.items()
            if not (name == "documentation" and isinstance(part, str))
        }
    return [_without_prose(part) for part in value] if isinstance(value, list) else value


def _write(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, separators=(",", ":")), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
