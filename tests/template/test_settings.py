"""Every setting of the code reaches the function, and what an operator may choose is what the code accepts."""

import re
from dataclasses import fields
from typing import Any
from uuid import UUID

import pytest

from generate_image.errors import ConfigurationError
from generate_image.settings import QUALITIES, Settings
from tests.template.stack import STACK_UUID, deploy, parse_template

POWERTOOLS = {
    "POWERTOOLS_LOG_LEVEL",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_SERVICE_NAME",
}
OF_THE_API = {"JWT_CLIENT_CLAIM", "STATE_MACHINE_ARN"}
OTHER_VALUES = {
    "CREDENTIALS_PREFIX": "flows/images",
    "DOWNLOAD_HOSTS": ".blob.core.windows.net,pictures.example",
    "DOWNLOAD_URL_SECONDS": "60",
    "IMAGE_MODELS": "dall-e-3",
    "IMAGE_NAMESPACE": "5a1c7f0e-8f1b-4a57-9d0e-3f2b1c0d9e8f",
    "IMAGE_QUALITY": "high",
    "OPENAI_BASE_URL": "https://images.example/v1",
    "PICTURE_RETENTION_DAYS": "30",
    "WHEN_OUTCOME_UNKNOWN": "buy-again",
}
CLOUDFRONT = {"CLOUDFRONT_DOMAIN", "CLOUDFRONT_KEY_PAIR_ID", "CLOUDFRONT_PRIVATE_KEY_SECRET"}
SIGNED = {
    "Delivery": "cloudfront-signed",
    "CloudfrontKeyPairIds": "K2JCJMDEHXQW5F,K1OLDOLDOLDOLD",
    "CloudfrontPrivateKeySecret": "2026-11",
}


def environment(**parameters: str) -> dict[str, str]:
    variables: dict[str, str] = deploy(**parameters).properties("GenerateImageFunction")["Environment"]["Variables"]
    return variables


def parameter_of(setting: str) -> tuple[str, dict[str, Any]]:
    name = "".join(word.capitalize() for word in setting.split("_"))
    return name, parse_template()["Parameters"][name]


def test_every_setting_and_no_other_is_in_the_environment() -> None:
    settings = {field.name.upper() for field in fields(Settings)}

    assert set(environment()) == settings - OF_THE_API | POWERTOOLS


def test_what_the_api_knows_is_what_the_other_function_knows_less_what_buying_takes() -> None:
    for parameters in ({}, SIGNED, {"ImageModels": "dall-e-3", "ImageQuality": "high", "PictureRetentionDays": "1"}):
        stack = deploy(**parameters)
        buys = stack.properties("GenerateImageFunction")["Environment"]["Variables"]
        waits = stack.properties("ApiFunction")["Environment"]["Variables"]

        assert buys.keys() - waits.keys() == {
            "CREDENTIALS_PREFIX",
            "DOWNLOAD_HOSTS",
            "OPENAI_BASE_URL",
            "WHEN_OUTCOME_UNKNOWN",
        }
        differing = {name for name in waits.keys() & buys.keys() if waits[name] != buys[name]}
        assert differing == {"POWERTOOLS_SERVICE_NAME"}
        assert waits.keys() - buys.keys() == OF_THE_API


def test_defaults_of_the_template_are_those_of_the_code() -> None:
    assert Settings.from_mapping(environment()) == Settings(
        image_bucket="picturebucket", image_namespace=UUID(STACK_UUID)
    )


def test_every_setting_but_the_bucket_and_those_of_delivery_is_a_parameter() -> None:
    settings = {field.name.upper() for field in fields(Settings)}

    assert set(OTHER_VALUES) == settings - OF_THE_API - {"IMAGE_BUCKET"} - CLOUDFRONT


@pytest.mark.parametrize(
    ("parameters", "domain", "key_pair_id", "secret"),
    [
        ({}, "", "", ""),
        ({"Delivery": "cloudfront"}, "domainname-of-downloaddistribution.example", "", ""),
        (
            {"Delivery": "cloudfront", "DownloadDomain": "pictures.example", "DownloadCertificateArn": "arn:…"},
            "pictures.example",
            "",
            "",
        ),
        (
            SIGNED,
            "domainname-of-downloaddistribution.example",
            "K2JCJMDEHXQW5F",
            "generate-image/cloudfront/2026-11",
        ),
    ],
)
def test_delivery_decides_the_settings_of_cloudfront(
    parameters: dict[str, str], domain: str, key_pair_id: str, secret: str
) -> None:
    settings = Settings.from_mapping(environment(**parameters))

    assert settings.cloudfront_domain == domain
    assert settings.cloudfront_key_pair_id == key_pair_id
    assert settings.cloudfront_private_key_secret == secret


@pytest.mark.parametrize("setting", OTHER_VALUES)
def test_a_parameter_s_value_is_allowed_arrives_and_is_accepted(setting: str) -> None:
    name, parameter = parameter_of(setting)
    value = OTHER_VALUES[setting]

    variables = environment(**{name: value})

    assert re.fullmatch(parameter.get("AllowedPattern", ".*"), value)
    assert value in parameter.get("AllowedValues", [value])
    assert variables == environment() | {setting: value}
    assert Settings.from_mapping(variables) != Settings.from_mapping(environment())


def test_choices_are_those_of_the_code() -> None:
    assert tuple(parameter_of("IMAGE_QUALITY")[1]["AllowedValues"]) == QUALITIES
    for choice in parameter_of("WHEN_OUTCOME_UNKNOWN")[1]["AllowedValues"]:
        assert Settings.from_mapping(environment(WhenOutcomeUnknown=choice)).when_outcome_unknown == choice


@pytest.mark.parametrize("bound", ["MinValue", "MaxValue"])
def test_a_link_s_life_has_the_bounds_of_the_code(bound: str) -> None:
    seconds = parameter_of("DOWNLOAD_URL_SECONDS")[1][bound]

    settings = Settings.from_mapping(environment(DownloadUrlSeconds=str(seconds), **SIGNED))

    assert settings.download_url_seconds == seconds
    beyond = seconds + (1 if bound == "MaxValue" else -1)
    with pytest.raises(ConfigurationError):
        Settings.from_mapping(environment(DownloadUrlSeconds=str(beyond), **SIGNED))


@pytest.mark.parametrize("bound", ["MinValue", "MaxValue"])
def test_a_picture_s_life_has_the_bounds_of_the_code(bound: str) -> None:
    days = parameter_of("PICTURE_RETENTION_DAYS")[1][bound]

    assert Settings.from_mapping(environment(PictureRetentionDays=str(days))).picture_retention_days == days


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("IMAGE_MODELS", ""),
        ("IMAGE_MODELS", "gpt-image-2, "),
        ("OPENAI_BASE_URL", "http://api.openai.com/v1"),
        ("OPENAI_BASE_URL", "https://user:password@api.openai.com/v1"),
        ("OPENAI_BASE_URL", "https://api.openai.com/v1?key=1"),
        ("DOWNLOAD_HOSTS", "https://pictures.example"),
        ("DOWNLOAD_HOSTS", "*"),
        ("IMAGE_NAMESPACE", "generate-image"),
    ],
)
def test_what_the_code_would_refuse_is_refused_at_deployment(setting: str, value: str) -> None:
    assert not re.fullmatch(parameter_of(setting)[1]["AllowedPattern"], value)


def test_service_of_metrics_is_the_stack_so_that_two_stacks_stay_apart() -> None:
    variables = environment()

    assert variables["POWERTOOLS_SERVICE_NAME"] == "generate-image"
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == "GenerateImage"
    assert environment(LogLevel="DEBUG")["POWERTOOLS_LOG_LEVEL"] == "DEBUG"
