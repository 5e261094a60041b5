"""The parameters reach the functions as settings, and the template accepts the values that the code accepts."""

import re
from dataclasses import fields
from typing import Any
from uuid import UUID

import pytest

from generate_image.errors import ConfigurationError
from generate_image.options import QUALITIES
from generate_image.settings import Settings
from local.expand_template import ACCOUNT, EVERY_OPTION, REGION, STACK_UUID, deploy, parse_template

FUNCTIONS = {
    "GenerateImage": "generate-image",
    "Api": "api",
    "ModelWatch": "model-watch",
    "PrepareList": "prepare-list",
    "CountResults": "count-results",
    "BatchShards": "batch-shards",
}
WATCHED = {"ModelWatchCredential": "shared/credencial-openai"}
CLOUDFRONT = {"Delivery": "cloudfront"}
OWN_DOMAIN = {"DownloadDomain": "pictures.example", "DownloadCertificateArn": "arn:x"}
SIGNED = {name: value for name, value in EVERY_OPTION.items() if name.startswith(("Delivery", "Cloudfront"))}
OTHER_VALUES = {
    "CALLER_OPTIONS": "none",
    "CREDENTIALS_PREFIX": "flows/images",
    "DOWNLOAD_HOSTS": ".blob.core.windows.net,pictures.example",
    "DOWNLOAD_URL_SECONDS": "60",
    "IMAGE_MODELS": "dall-e-3",
    "IMAGE_NAMESPACE": "5a1c7f0e-8f1b-4a57-9d0e-3f2b1c0d9e8f",
    "IMAGE_QUALITY": "high",
    "MAX_PICTURE_USD": "0.5",
    "MONTHLY_BUDGET_USD": "100",
    "OPENAI_BASE_URL": "https://images.example/v1",
    "PICTURE_RETENTION_DAYS": "30",
    "WHEN_OUTCOME_UNKNOWN": "buy-again",
}


def environment(function: str = "GenerateImage", **parameters: str) -> dict[str, str]:
    """Return the variables of a function in Lambda."""
    variables = deploy(**WATCHED, **parameters).properties(f"{function}Function")["Environment"]["Variables"]
    return {**variables, "AWS_LAMBDA_FUNCTION_NAME": function}


def parameter_of(setting: str) -> tuple[str, dict[str, Any]]:
    name = "".join(word.capitalize() for word in setting.split("_"))
    return name, parse_template()["Parameters"][name]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_has_one_name_everywhere(function: str) -> None:
    stack = deploy({"AWS::StackName": "flows"}, **WATCHED)
    properties = stack.properties(f"{function}Function")

    assert properties["LoggingConfig"] == {"LogGroup": f"{function}LogGroup".lower()}
    assert stack.properties(f"{function}LogGroup")["LogGroupName"] == f"/aws/lambda/flows-{FUNCTIONS[function]}"
    service = "generate-image" if function == "BatchShards" else FUNCTIONS[function]  # both buy
    assert properties["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == f"flows-{service}"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_defaults_are_those_of_the_code(function: str) -> None:
    settings = Settings.from_mapping(environment(function) | {"STATE_MACHINE_ARN": ""})

    assert settings == Settings(image_bucket="picturebucket", image_namespace=UUID(STACK_UUID))
    assert {setting.name.upper() for setting in fields(Settings)} - {"ALLOWS_LOCAL_HOSTS"} <= environment("Api").keys()


@pytest.mark.parametrize("setting", OTHER_VALUES)
def test_parameter_reaches_the_functions(setting: str) -> None:
    name, parameter = parameter_of(setting)
    value = OTHER_VALUES[setting]

    assert re.fullmatch(parameter.get("AllowedPattern", ".*"), value)
    assert value in parameter.get("AllowedValues", [value])
    for function in FUNCTIONS:
        variables = environment(function, **{name: value})
        assert variables == environment(function) | {setting: value}
        assert Settings.from_mapping(variables) != Settings.from_mapping(environment(function))


@pytest.mark.parametrize(
    ("parameters", "domain", "key_pair_id", "secret"),
    [
        ({}, "", "", ""),
        (CLOUDFRONT, "domainname-of-downloaddistribution.example", "", ""),
        (CLOUDFRONT | OWN_DOMAIN, "pictures.example", "", ""),
        (SIGNED | OWN_DOMAIN, "pictures.example", "K2JCJMDEHXQW5F", "generate-image/cloudfront/2026-11"),
    ],
)
def test_delivery_decides_the_links(parameters: dict[str, str], domain: str, key_pair_id: str, secret: str) -> None:
    settings = Settings.from_mapping(environment(**parameters))

    assert (settings.cloudfront_domain, settings.cloudfront_key_pair_id) == (domain, key_pair_id)
    assert settings.cloudfront_private_key_secret == secret


def test_api_function_requires_the_authorizer_of_the_api() -> None:
    iam = Settings.from_mapping(environment("Api"))
    tokens = {"JwtIssuer": "https://issuer.example", "JwtAudience": "flows", "JwtClientClaim": "client"}
    jwt = Settings.from_mapping(environment("Api", **tokens))

    assert [(each.api_authorization, each.jwt_client_claim) for each in (iam, jwt)] == [("iam", ""), ("jwt", "client")]
    assert jwt.state_machine_arn == f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:generateimagestatemachine"


def test_choices_and_bounds_are_those_of_the_code() -> None:
    assert tuple(parameter_of("IMAGE_QUALITY")[1]["AllowedValues"]) == QUALITIES
    for choice in parameter_of("WHEN_OUTCOME_UNKNOWN")[1]["AllowedValues"]:
        assert Settings.from_mapping(environment(WhenOutcomeUnknown=choice)).when_outcome_unknown == choice
    for setting in ("DOWNLOAD_URL_SECONDS", "PICTURE_RETENTION_DAYS"):
        name, parameter = parameter_of(setting)
        least, most = parameter["MinValue"], parameter["MaxValue"]
        for value in (least, most):
            Settings.from_mapping(environment(**SIGNED, **{name: str(value)}))
        for value in (least - 1, most + 1):
            with pytest.raises(ConfigurationError):
                Settings.from_mapping(environment(**SIGNED, **{name: str(value)}))


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("IMAGE_MODELS", ["", "gpt-image-2, "]),
        ("OPENAI_BASE_URL", ["http://api.openai.com/v1", "https://user:pw@api.openai.com/v1", "https://host/v1?key=1"]),
        ("DOWNLOAD_HOSTS", ["https://pictures.example", "*"]),
        ("IMAGE_NAMESPACE", ["generate-image"]),
        # No prefix may widen the permission to read secrets.
        ("CREDENTIALS_PREFIX", ["", "*", "generate?image", "a//b", "${AWS::Region}"]),
    ],
)
def test_deployment_refuses_a_wrong_value(setting: str, values: list[str]) -> None:
    pattern = parameter_of(setting)[1]["AllowedPattern"]

    assert [value for value in values if re.fullmatch(pattern, value)] == []
