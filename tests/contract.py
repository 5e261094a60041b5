"""openapi.yaml as the tests read it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from openapi_schema_validator import OAS30Validator

CONTRACT: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "openapi.yaml").read_text("utf-8"))


def resolved(value: Any) -> Any:  # noqa: ANN401  # a part of the contract
    """Return a part of the contract with its references replaced."""
    if isinstance(value, list):
        return [resolved(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        found = CONTRACT
        for name in value["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        return resolved(found)
    return {name: resolved(item) for name, item in value.items()}


def assert_in_contract(method: str, path: str, status: int, headers: Mapping[str, str], body: str | bytes) -> None:
    """Check that the contract describes a response of one of its routes: status, type, headers and body."""
    for template, operations in CONTRACT["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) and method.lower() in operations:
            described = resolved(operations[method.lower()]["responses"][str(status)])
            break
    else:
        return
    content = described["content"][headers["Content-Type"]]
    OAS30Validator(content["schema"]).validate(json.loads(body))
    for name, header in described.get("headers", {}).items():
        value = headers.get(name)
        if value is None:
            assert not header.get("required"), name
        else:
            typed = int(value) if header["schema"]["type"] == "integer" else value
            OAS30Validator(header["schema"]).validate(typed)
