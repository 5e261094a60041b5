"""Expands template.yaml as AWS does: loops, includes, SAM's transform, parameters, conditions and functions.

As a command it prints the resources with every option on, for checkov, which ignores what a condition leaves out, and
for cfn-lint, which otherwise checks no policy and no resource of a loop.
"""

import copy
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import boto3
from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]  # ships no types
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]  # ships no types
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

TEMPLATE = Path(__file__).parents[1] / "template.yaml"
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
EVERY_OPTION = {
    "AlarmEmail": "operator@example.com",
    "AlarmKmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/2b7e1516-28ae-d2a6-abf7-158809cf4f3c",
    "ApiReservedConcurrency": "50",
    "CloudfrontKeyPairIds": "K2JCJMDEHXQW5F",
    "CloudfrontPrivateKeySecret": "2026-11",
    "CorsOrigins": "https://flows.example.com,http://localhost:3000",
    "Delivery": "cloudfront-signed",
    "EventBridgeNotifications": "true",
    "JwtAudience": "generate-image,flows",
    "JwtIssuer": "https://issuer.example.com/pool",
    "KmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0f5c8a1e-3b1d-11ef-9a52-0a1b2c3d4e5f",
    "ModelWatchCredential": "shared/credencial-openai",
    "ReservedConcurrency": "100",
    "WebhookSecret": "2026-11",
    "WebhookUrl": "https://flows.example.com/pictures",
}
ARNS = {
    "AWS::CloudFront::Function": f"arn:aws:cloudfront::{ACCOUNT}:function/{{name}}",
    "AWS::CloudWatch::Alarm": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{{name}}",
    "AWS::IAM::ManagedPolicy": f"arn:aws:iam::{ACCOUNT}:policy/{{name}}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{name}}",
    "AWS::Lambda::Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{name}}",
    "AWS::Lambda::LayerVersion": f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{{name}}:1",
    "AWS::Events::ApiDestination": f"arn:aws:events:{REGION}:{ACCOUNT}:api-destination/{{name}}/0f5c8a1e",
    "AWS::Events::Connection": f"arn:aws:events:{REGION}:{ACCOUNT}:connection/{{name}}/0f5c8a1e",
    "AWS::Events::Rule": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{{name}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{name}}:*",
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::SNS::Topic": f"arn:aws:sns:{REGION}:{ACCOUNT}:{{name}}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{name}}",
    "AWS::StepFunctions::StateMachine": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{{name}}",
}
REFERRED_BY_ARN = {
    "AWS::IAM::ManagedPolicy",
    "AWS::Lambda::LayerVersion",
    "AWS::SNS::Topic",
    "AWS::StepFunctions::StateMachine",
}
CODE = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}
_NO_VALUE = object()


@dataclass(frozen=True)
class Stack:
    """The resources of one deployment. A physical name is the logical name in lower case."""

    resources: dict[str, Any]

    def properties(self, logical_id: str) -> dict[str, Any]:
        """Return the properties of one resource."""
        properties: dict[str, Any] = self.resources[logical_id]["Properties"]
        return properties

    def of_type(self, resource_type: str) -> dict[str, dict[str, Any]]:
        """Return the properties of the resources of one type, by logical name."""
        return {
            name: resource["Properties"]
            for name, resource in self.resources.items()
            if resource["Type"] == resource_type
        }

    def statements(self, role: str) -> list[dict[str, Any]]:
        """Return the statements of a role: those of its own policies and of the managed ones."""
        managed = {ARNS["AWS::IAM::ManagedPolicy"].format(name=name.lower()): name for name in self.resources}
        properties = self.properties(role)
        documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        shared = properties.get("ManagedPolicyArns", [])
        documents += [self.properties(managed[arn])["PolicyDocument"] for arn in shared]
        return [statement for document in documents for statement in document["Statement"]]


@cache
def parse_template() -> dict[str, Any]:
    """Return template.yaml as it is written, with its tags as functions. Callers must not change it."""
    template: dict[str, Any] = yaml_parse(TEMPLATE.read_text("utf-8"))
    return template


def deploy(pseudo_parameters: Mapping[str, str] = MappingProxyType({}), /, **parameters: str) -> Stack:
    """Return the stack that these parameters make; the others have their defaults. Raises KeyError."""
    template = _transformed()
    unknown = parameters.keys() - template["Parameters"].keys()
    if unknown:
        raise KeyError(f"No such parameters: {unknown}")
    defaults = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()}
    resolver = _Resolver(template, PSEUDO_PARAMETERS | dict(pseudo_parameters) | defaults | parameters)
    return Stack(resolver.resources())


@cache
def _transformed() -> dict[str, Any]:
    """Return the template after its transforms, which depend on no parameter."""
    template = copy.deepcopy(parse_template())
    template["Resources"] = _written_out(template["Resources"])
    for resource in template["Resources"].values():
        if resource["Type"] in CODE:
            resource["Properties"][CODE[resource["Type"]]] = "s3://artifacts/generate-image.zip"  # as `sam deploy` does
    template["Globals"]["Function"].pop("CodeUri")
    template["Transform"] = "AWS::Serverless-2016-10-31"
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    transformed: dict[str, Any] = translator.translate(template, {})
    return transformed


def _written_out(value: Any, variables: Mapping[str, str] = MappingProxyType({})) -> Any:  # noqa: ANN401  # a template's values are of any type
    """Return a part of the template with the copies that its loops make, and the content of the files that it includes.

    variables: of the loops around it.
    """
    match value:
        case str():
            return re.sub(r"\$\{(\w+)\}", lambda found: variables.get(found[1], found[0]), value)
        case list():
            return [_written_out(item, variables) for item in value]
        case {"Ref": name} if name in variables:
            return variables[name]
        case {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": location}}}:
            return yaml_parse((TEMPLATE.parent / location).read_text("utf-8"))
        case dict():
            written: dict[str, Any] = {}
            for name, item in value.items():
                if name.startswith("Fn::ForEach::"):
                    variable, choices, body = item
                    for choice in choices:
                        written |= _written_out(body, {**variables, variable: choice})
                else:
                    written[_written_out(name, variables)] = _written_out(item, variables)
            return written
    return value


class _Resolver:
    def __init__(self, template: dict[str, Any], parameters: dict[str, str]) -> None:
        self._template = template
        self._resources = template["Resources"]
        self._parameters = parameters

    def resources(self) -> dict[str, Any]:
        """Return the resources, without those whose condition is false."""
        return {
            name: {key: part for key, part in self.resolve(resource).items() if key != "Condition"}
            for name, resource in self._resources.items()
            if "Condition" not in resource or self._holds(resource["Condition"])
        }

    def _holds(self, condition: Any) -> bool:  # noqa: ANN401  # a name or an expression
        match condition:
            case str():
                return self._holds(self._template["Conditions"][condition])
            case {"Condition": name}:
                return self._holds(name)
            case {"Fn::Equals": [left, right]}:
                return str(self.resolve(left)) == str(self.resolve(right))
            case {"Fn::Not": [inner]}:
                return not self._holds(inner)
            case {"Fn::And": parts}:
                return all(map(self._holds, parts))
        raise NotImplementedError(condition)

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
                result = self._substituted(argument, {})
            case "Fn::Sub", [text, variables]:
                result = self._substituted(text, self.resolve(variables))
            case "Fn::If", [condition, then, otherwise]:
                result = self.resolve(then if self._holds(condition) else otherwise)
            case "Fn::Select", [index, items]:
                result = self.resolve(items)[int(self.resolve(index))]
            case "Fn::Split", [separator, text]:
                result = self.resolve(text).split(separator)
            case "Fn::FindInMap", [mapping, first, second]:
                result = self._template["Mappings"][mapping][first][second]
            case "Fn::ToJsonString", _:
                result = json.dumps(self.resolve(argument))
            case _:
                raise NotImplementedError(f"{name}: {argument}")
        return result

    def _reference(self, name: str) -> Any:  # noqa: ANN401  # _NO_VALUE, a text or a list
        if name == "AWS::NoValue":
            return _NO_VALUE
        if name not in self._parameters:
            is_arn = self._resources.get(name, {}).get("Type") in REFERRED_BY_ARN
            return self._arn(name) if is_arn else self._physical_name(name)
        declared = self._template["Parameters"].get(name, {})
        value = self._parameters[name]
        return value.split(",") if declared.get("Type") == "CommaDelimitedList" else value

    def _attribute(self, logical_id: str, attribute: str) -> str:
        if attribute.lower().endswith("arn"):
            return self._arn(logical_id)
        if attribute in {"Name", "QueueName"}:
            return self._physical_name(logical_id)
        return f"{attribute}-of-{self._physical_name(logical_id)}.example".lower()

    def _substituted(self, text: str, variables: dict[str, Any]) -> str:
        def value(found: re.Match[str]) -> str:
            logical_id, _, attribute = found[1].partition(".")
            if found[1] in variables:
                return str(variables[found[1]])
            return str(self._attribute(logical_id, attribute) if attribute else self._reference(logical_id))

        return re.sub(r"\$\{([^}]+)\}", value, text)

    def _physical_name(self, name: str) -> str:
        if name not in self._resources:
            raise KeyError(name)
        return name.lower()

    def _arn(self, logical_id: str) -> str:
        return ARNS[self._resources[logical_id]["Type"]].format(name=self._physical_name(logical_id))


if __name__ == "__main__":
    json.dump({"Resources": deploy(**EVERY_OPTION).resources}, sys.stdout, indent=1)
