"""The template as CloudFormation deploys it: transformed by SAM, its parameters and functions worked out."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]  # ships no types
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]  # ships no types
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
REGION = "eu-west-1"
ACCOUNT = "123456789012"
STACK_UUID = "0f5c8a1e-3b1d-11ef-9a52-0a1b2c3d4e5f"
PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/generate-image/{STACK_UUID}",
    "AWS::StackName": "generate-image",
    "AWS::URLSuffix": "amazonaws.com",
}
CODE = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}
ARNS = {
    "AWS::CloudFront::Function": f"arn:aws:cloudfront::{ACCOUNT}:function/{{name}}",
    "AWS::CloudWatch::Alarm": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{{name}}",
    "AWS::Events::Rule": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{{name}}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{name}}",
    "AWS::Lambda::Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{name}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{name}}:*",
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::StepFunctions::StateMachine": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{{name}}",
}
_NO_VALUE = object()


def parse_template() -> dict[str, Any]:
    """Return template.yaml as it is written, its tags as functions."""
    template: dict[str, Any] = yaml_parse(TEMPLATE.read_text())
    return template


@dataclass(frozen=True)
class Stack:
    """What a deployment makes; a resource's physical name is its logical one in lower case."""

    resources: dict[str, Any]
    outputs: dict[str, Any]

    def properties(self, logical_id: str) -> dict[str, Any]:
        """Return the properties of one resource."""
        properties: dict[str, Any] = self.resources[logical_id]["Properties"]
        return properties

    def of_type(self, resource_type: str) -> dict[str, Any]:
        """Return the resources of one type, by logical name."""
        return {name: resource for name, resource in self.resources.items() if resource["Type"] == resource_type}


def deploy(**parameters: str) -> Stack:
    """Return the stack that these parameters make; the others have their defaults."""
    template = parse_template()
    for resource in template["Resources"].values():
        if resource["Type"] in CODE:
            resource["Properties"][CODE[resource["Type"]]] = "s3://artifacts/generate-image.zip"  # as `sam deploy` does
    template = _included(template)
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    template = translator.translate(template, {})
    unknown = parameters.keys() - template["Parameters"].keys()
    if unknown:
        raise KeyError(f"No such parameters: {unknown}")
    defaults = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()}
    resolver = _Resolver(template, PSEUDO_PARAMETERS | defaults | parameters)
    return Stack(resolver.resolve_section("Resources"), resolver.resolve_section("Outputs"))


def _included(value: Any) -> Any:  # noqa: ANN401  # a template's values are of any type
    """Return a part of the template with the files that it includes put in."""
    if isinstance(value, list):
        return [_included(item) for item in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": location}}}:
            return yaml_parse((TEMPLATE.parent / location).read_text())
    return {name: _included(item) for name, item in value.items()}


class _Resolver:
    def __init__(self, template: dict[str, Any], parameters: dict[str, str]) -> None:
        self._template = template
        self._resources = template["Resources"]
        self._conditions = template.get("Conditions", {})
        self._parameters = parameters

    def resolve_section(self, section: str) -> dict[str, Any]:
        """Return the section's entries, without those whose condition does not hold."""
        return {
            name: self.resolve(entry)
            for name, entry in self._template[section].items()
            if "Condition" not in entry or self._holds(entry["Condition"])
        }

    def _holds(self, condition: str) -> bool:
        return bool(self.resolve(self._conditions[condition]))

    def resolve(self, value: Any) -> Any:  # noqa: ANN401  # a template's values are of any type
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(name, argument)] = value.items()
            if name == "Ref" or name.startswith("Fn::"):
                return self._call(name, argument)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not _NO_VALUE}

    def _call(self, name: str, argument: Any) -> Any:  # noqa: ANN401  # likewise
        result: Any
        match name, argument:
            case "Ref", _:
                result = self._reference(argument)
            case "Fn::GetAtt", [logical_id, attribute]:
                result = self._attribute(logical_id, attribute)
            case "Fn::Sub", str():
                result = re.sub(r"\$\{([^}]+)\}", lambda found: self._substitute(found[1]), argument)
            case "Fn::If", [condition, then, otherwise]:
                result = self.resolve(then if self._holds(condition) else otherwise)
            case "Fn::Equals", [left, right]:
                result = str(self.resolve(left)) == str(self.resolve(right))
            case "Fn::Not", [condition]:
                result = not self.resolve(condition)
            case "Fn::And", conditions:
                result = all(map(self.resolve, conditions))
            case "Fn::Select", [index, items]:
                result = self.resolve(items)[int(index)]
            case "Fn::Split", [separator, text]:
                result = self.resolve(text).split(separator)
            case _:
                raise NotImplementedError(f"{name}: {argument}")
        return result

    def _reference(self, name: str) -> Any:  # noqa: ANN401  # _NO_VALUE, a text or a list
        if name == "AWS::NoValue":
            return _NO_VALUE
        if name not in self._parameters:
            is_machine = self._resources.get(name, {}).get("Type") == "AWS::StepFunctions::StateMachine"
            return self._arn(name) if is_machine else self._physical_name(name)
        declared = self._template["Parameters"].get(name, {})
        value = self._parameters[name]
        return value.split(",") if declared.get("Type") == "CommaDelimitedList" else value

    def _attribute(self, logical_id: str, attribute: str) -> str:
        if attribute.lower().endswith("arn"):
            return self._arn(logical_id)
        if attribute == "Name":
            return self._physical_name(logical_id)
        return f"{attribute}-of-{self._physical_name(logical_id)}.example".lower()

    def _substitute(self, reference: str) -> str:
        logical_id, _, attribute = reference.partition(".")
        value = self._call("Fn::GetAtt", [logical_id, attribute]) if attribute else self._call("Ref", logical_id)
        return str(value)

    def _physical_name(self, name: str) -> str:
        if name not in self._resources:
            raise KeyError(name)
        return name.lower()

    def _arn(self, logical_id: str) -> str:
        return ARNS[self._resources[logical_id]["Type"]].format(name=self._physical_name(logical_id))
