"""The stack's resources, for each combination of options: closed buckets, least permissions, valid names."""

import re
from itertools import product
from typing import Any

import pytest

from local.expand_template import EVERY_OPTION, TEMPLATE, Stack, deploy, parse_template
from local.state_machines import definition_text

SIGNED = {name: value for name, value in EVERY_OPTION.items() if name.startswith(("Delivery", "Cloudfront"))}
CLOUDFRONT: tuple[dict[str, str], ...] = ({}, {"Delivery": "cloudfront"}, SIGNED)
JWT = {"JwtIssuer": "https://issuer.example", "JwtAudience": "flows"}
OTHERS: tuple[dict[str, str], ...] = (
    {"KmsKeyArn": EVERY_OPTION["KmsKeyArn"], "KeepAccessLogs": "false"},
    {**JWT, "ModelWatchCredential": "shared/credencial-openai", "AlarmEmail": "operator@example.com"},
    {"CorsOrigins": "https://flows.example", "CreateAlarms": "false", "CreateDashboard": "false"},
)
COMBINATIONS = [
    {**delivery, **{name: value for chosen in others for name, value in chosen.items()}}
    for delivery, *others in product(CLOUDFRONT, *(({}, option) for option in OTHERS))
]
LONGEST_STACK_NAME = "s" * 48


@pytest.fixture(scope="module")
def stacks() -> list[Stack]:
    return [*(deploy(**combination) for combination in COMBINATIONS), deploy(**EVERY_OPTION)]


def statements(document: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document["Statement"]
    return found


def bucket_policy(stack: Stack, bucket: str) -> dict[str, dict[str, Any]]:
    [policy] = [
        policy["PolicyDocument"]
        for policy in stack.of_type("AWS::S3::BucketPolicy").values()
        if policy["Bucket"] == bucket.lower()
    ]
    return {statement["Sid"]: statement for statement in statements(policy)}


# --- Buckets ----------------------------------------------------------------------------------------------------------


def test_bucket_is_closed_and_its_objects_expire(stacks: list[Stack]) -> None:
    for stack in stacks:
        for name, bucket in stack.of_type("AWS::S3::Bucket").items():
            assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
            assert "AccessControl" not in bucket
            assert all(rule["ExpirationInDays"] for rule in bucket["LifecycleConfiguration"]["Rules"])
            deny = bucket_policy(stack, name)["DenyWithoutTls"]
            assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:*")
            assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            assert deny["Resource"] == [f"arn:aws:s3:::{name.lower()}", f"arn:aws:s3:::{name.lower()}/*"]


def test_log_bucket_ownership_depends_on_no_option(stacks: list[Stack]) -> None:
    """S3 refuses BucketOwnerEnforced once CloudFront has written a grant into the ACL."""
    buckets = [stack.of_type("AWS::S3::Bucket").get("LogBucket") for stack in stacks]
    ownerships = {bucket["OwnershipControls"]["Rules"][0]["ObjectOwnership"] for bucket in buckets if bucket}

    assert ownerships == {"BucketOwnerPreferred"}


@pytest.mark.parametrize("logical_id", ["PictureBucket", "PictureBucketPolicy", "LogBucket", "LogBucketPolicy"])
def test_bucket_stays_except_after_a_failed_creation(logical_id: str) -> None:
    resource = parse_template()["Resources"][logical_id]

    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_access_logs_can_be_disabled() -> None:
    with_logs, without = (deploy(KeepAccessLogs=value, Delivery="cloudfront") for value in ("true", "false"))

    assert with_logs.properties("PictureBucket")["LoggingConfiguration"]["DestinationBucketName"] == "logbucket"
    assert with_logs.properties("DownloadDistribution")["DistributionConfig"]["Logging"]["Prefix"] == "downloads/"
    assert "LogBucket" not in without.resources
    assert "LoggingConfiguration" not in without.properties("PictureBucket")
    assert "Logging" not in without.properties("DownloadDistribution")["DistributionConfig"]


def test_objects_expire_after_the_days_of_the_parameters() -> None:
    bucket = deploy(PictureRetentionDays="30", BatchRetentionDays="90").properties("PictureBucket")
    days = {rule["Prefix"]: rule["ExpirationInDays"] for rule in bucket["LifecycleConfiguration"]["Rules"]}

    assert days == {"temporal/": "30", "budgets/": 400, "lists/": "90", "results/": "90"}


# --- A KMS key of the operator ----------------------------------------------------------------------------------------


def encryption(stack: Stack, bucket: str) -> dict[str, Any]:
    [rule] = stack.properties(bucket)["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    found: dict[str, Any] = rule["ServerSideEncryptionByDefault"]
    return found


def test_own_keys_encrypt_all_but_the_access_logs() -> None:
    """S3 delivers access logs only to a bucket with SSE-S3.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
    """
    with_key, without = deploy(**EVERY_OPTION), deploy()

    assert encryption(with_key, "PictureBucket") == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": EVERY_OPTION["KmsKeyArn"],
    }
    assert encryption(with_key, "LogBucket") == encryption(without, "PictureBucket") == {"SSEAlgorithm": "AES256"}
    assert with_key.properties("AlarmTopic")["KmsMasterKeyId"] == EVERY_OPTION["AlarmKmsKeyArn"]
    assert "kms" not in str(without.resources).lower()


# --- Permissions ------------------------------------------------------------------------------------------------------


def test_policies_follow_the_prefix_of_the_credentials() -> None:
    stack = deploy(**EVERY_OPTION, CredentialsPrefix="flows/images")

    for role in stack.of_type("AWS::IAM::Role"):
        assert ":secret:generate-image/" not in str(stack.statements(role))


def test_every_resource_policy_names_its_account_or_source(stacks: list[Stack]) -> None:
    for stack in stacks:
        for name, resource in stack.resources.items():
            if resource["Type"] == "AWS::IAM::ManagedPolicy" or "PolicyDocument" not in resource["Properties"]:
                continue
            for statement in statements(resource["Properties"]["PolicyDocument"]):
                condition = str(statement["Condition"]).lower()
                is_limited = "aws:sourcearn" in condition or "aws:sourceaccount" in condition
                assert statement["Effect"] == "Deny" or is_limited, name


def test_cloudfront_reads_pictures_and_no_record() -> None:
    allowed = bucket_policy(deploy(Delivery="cloudfront"), "PictureBucket")["CloudFrontReadsPictures"]
    patterns = [re.escape(arn).replace(r"\*", ".*") for arn in allowed["Resource"]]

    def may_read(key: str) -> bool:
        return any(re.fullmatch(pattern, f"arn:aws:s3:::picturebucket/{key}", re.DOTALL) for pattern in patterns)

    assert all(may_read(f"temporal/cli_1/0f5c.{extension}") for extension in ("png", "jpg", "webp"))
    assert not any(map(may_read, ["temporal/cli_1/0f5c.json", "temporal/cli_1/0f5c", "lists/1.png", "results/1.json"]))
    assert "CloudFrontReadsPictures" not in bucket_policy(deploy(), "PictureBucket")


# --- Functions, state machines, names ---------------------------------------------------------------------------------


def test_lambda_does_not_retry_a_purchase() -> None:
    [configuration] = deploy().of_type("AWS::Lambda::EventInvokeConfig").values()

    assert (configuration["FunctionName"], configuration["MaximumRetryAttempts"]) == ("generateimagefunction", 0)


@pytest.mark.parametrize(
    ("function", "parameter"),
    [("GenerateImageFunction", "ReservedConcurrency"), ("ApiFunction", "ApiReservedConcurrency")],
)
def test_concurrency_is_reserved_only_on_demand(function: str, parameter: str) -> None:
    reserved = deploy(**{parameter: "0"})

    assert reserved.properties(function)["ReservedConcurrentExecutions"] == "0"
    assert "ReservedConcurrentExecutions" not in deploy().properties(function)


def test_signing_layer_is_in_the_functions_that_make_links() -> None:
    functions = deploy(**EVERY_OPTION).of_type("AWS::Lambda::Function")

    assert {name for name, function in functions.items() if function.get("Layers")} == {
        "GenerateImageFunction",
        "ApiFunction",
        "BatchShardsFunction",
    }


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
@pytest.mark.parametrize("machine", ["GenerateImageStateMachine", "GenerateImagesBatchStateMachine"])
def test_state_machine_calls_services_of_its_partition(machine: str, partition: str) -> None:
    properties = deploy({"AWS::Partition": partition}).properties(machine)
    uri = parse_template()["Resources"][machine]["Properties"]["DefinitionUri"]
    definition = (TEMPLATE.parent / uri).read_text("utf-8")

    assert definition == definition_text(uri.removeprefix("statemachines/").removesuffix(".asl.yaml"))
    assert properties["DefinitionSubstitutions"]["Partition"] == partition
    assert properties["DefinitionSubstitutions"].keys() == set(re.findall(r"\$\{(\w+)\}", definition))
    assert set(re.findall(r"arn:[^:]+:", definition)) == {"arn:${Partition}:"}
    assert definition.isascii()  # CloudFormation reads the file in its own character set


def test_log_has_no_execution_data(stacks: list[Stack]) -> None:
    for stack in stacks:
        for machine in stack.of_type("AWS::StepFunctions::StateMachine").values():
            assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False  # it contains the prompt


def test_names_are_within_the_limits_of_aws() -> None:
    stack = deploy({"AWS::StackName": LONGEST_STACK_NAME, "AWS::Region": "ap-southeast-2"}, **EVERY_OPTION)
    config = {
        "AWS::CloudFront::OriginAccessControl": "OriginAccessControlConfig",
        "AWS::CloudFront::CachePolicy": "CachePolicyConfig",
        "AWS::CloudFront::ResponseHeadersPolicy": "ResponseHeadersPolicyConfig",
        "AWS::CloudFront::KeyGroup": "KeyGroupConfig",
    }
    names = [each[key]["Name"] for kind, key in config.items() for each in stack.of_type(kind).values()]
    names += [function["Name"] for function in stack.of_type("AWS::CloudFront::Function").values()]
    machines = [machine["StateMachineName"] for machine in stack.of_type("AWS::StepFunctions::StateMachine").values()]

    assert max(map(len, names)) <= 64
    assert max(map(len, machines)) <= 80
