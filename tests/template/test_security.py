"""What can be encrypted, logged or closed to the public is, whichever options are on."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.template.everything import EVERYTHING
from tests.template.stack import Stack, deploy

CHECKOV = Path(__file__).parents[2] / ".checkov.yaml"
OPTIONS = {
    "default": {},
    "open links": {"Delivery": "cloudfront"},
    "own domain": {
        "Delivery": "cloudfront",
        "DownloadDomain": "pictures.example.com",
        "DownloadCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/0f5c8a1e",
    },
    "everything": EVERYTHING,
}
PUBLIC_ACCESS_BLOCK = {
    "BlockPublicAcls": True,
    "BlockPublicPolicy": True,
    "IgnorePublicAcls": True,
    "RestrictPublicBuckets": True,
}
STORES = {
    "AWS::DynamoDB::Table",
    "AWS::ECR::Repository",
    "AWS::EFS::FileSystem",
    "AWS::Kinesis::Stream",
    "AWS::SecretsManager::Secret",
    "AWS::SQS::Queue",
}
"""Other things that hold data: whoever adds one says here how it is closed."""


@pytest.fixture(scope="module", params=OPTIONS)
def stack(request: pytest.FixtureRequest) -> Stack:
    return deploy(**OPTIONS[request.param])


def properties_of(stack: Stack, resource_type: str) -> dict[str, dict[str, Any]]:
    return {name: resource["Properties"] for name, resource in stack.of_type(resource_type).items()}


def bucket_policy(stack: Stack, bucket: str) -> list[dict[str, Any]]:
    [statements] = [
        policy["PolicyDocument"]["Statement"]
        for policy in properties_of(stack, "AWS::S3::BucketPolicy").values()
        if policy["Bucket"] == bucket.lower()
    ]
    assert isinstance(statements, list)
    return statements


def resource_policies(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every statement of a policy that says who may come from outside."""
    for name, resource in stack.resources.items():
        for key in ("PolicyDocument", "KeyPolicy"):
            document = resource["Properties"].get(key)
            if document:
                yield from ((name, statement) for statement in document["Statement"])


def test_nothing_holds_data_that_is_not_looked_at_here(stack: Stack) -> None:
    assert STORES & {resource["Type"] for resource in stack.resources.values()} == set()


def test_every_bucket_is_encrypted_and_closed(stack: Stack) -> None:
    buckets = properties_of(stack, "AWS::S3::Bucket")

    assert set(buckets) == {"PictureBucket", "LogBucket"}
    for bucket in buckets.values():
        [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
        assert bucket["PublicAccessBlockConfiguration"] == PUBLIC_ACCESS_BLOCK
        assert "AccessControl" not in bucket
        assert bucket["LifecycleConfiguration"]["Rules"]


def test_every_bucket_answers_over_tls_only(stack: Stack) -> None:
    for name in properties_of(stack, "AWS::S3::Bucket"):
        [deny] = [statement for statement in bucket_policy(stack, name) if statement["Sid"] == "OnlyOverTls"]
        assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:*")
        assert deny["Resource"] == [f"arn:aws:s3:::{name.lower()}", f"arn:aws:s3:::{name.lower()}/*"]
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_who_reads_pictures_is_logged(stack: Stack) -> None:
    assert stack.properties("PictureBucket")["LoggingConfiguration"] == {
        "DestinationBucketName": "logbucket",
        "LogFilePrefix": "pictures/",
    }
    [write] = [s for s in bucket_policy(stack, "LogBucket") if s["Effect"] == "Allow"]
    assert write["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert (write["Action"], write["Resource"]) == ("s3:PutObject", "arn:aws:s3:::logbucket/pictures/*")
    assert write["Condition"]["ArnLike"] == {"aws:SourceArn": "arn:aws:s3:::picturebucket"}


def test_only_cloudfront_s_own_log_needs_an_access_control_list(stack: Stack) -> None:
    [rule] = stack.properties("LogBucket")["OwnershipControls"]["Rules"]
    uses_cloudfront = bool(stack.of_type("AWS::CloudFront::Distribution"))

    assert rule["ObjectOwnership"] == ("BucketOwnerPreferred" if uses_cloudfront else "BucketOwnerEnforced")


def test_no_policy_lets_anyone_in_without_saying_whose(stack: Stack) -> None:
    for name, statement in resource_policies(stack):
        if statement["Effect"] == "Deny":
            continue
        principal = statement["Principal"]
        assert principal != "*", name
        assert "*" not in principal.values(), name
        if "Service" in principal:
            conditions = str(statement["Condition"]).lower()
            assert "aws:sourcearn" in conditions or "aws:sourceaccount" in conditions, name
        else:
            assert principal == {"AWS": "arn:aws:iam::123456789012:root"}, name


def test_every_function_is_traced_and_logs_to_a_group_that_forgets(stack: Stack) -> None:
    groups = {name.lower(): group for name, group in properties_of(stack, "AWS::Logs::LogGroup").items()}

    for name, function in properties_of(stack, "AWS::Lambda::Function").items():
        assert function["TracingConfig"] == {"Mode": "Active"}, name
        assert groups[function["LoggingConfig"]["LogGroup"]]["RetentionInDays"]
    assert all(group["RetentionInDays"] for group in groups.values())


def test_no_function_has_a_url_or_lets_others_invoke_it(stack: Stack) -> None:
    assert stack.of_type("AWS::Lambda::Url") == {}
    for permission in properties_of(stack, "AWS::Lambda::Permission").values():
        assert permission["Principal"] in {"events.amazonaws.com", "apigateway.amazonaws.com"}
        assert permission["SourceArn"]


def test_no_environment_holds_a_key(stack: Stack) -> None:
    for function in properties_of(stack, "AWS::Lambda::Function").values():
        for value in function["Environment"]["Variables"].values():
            assert not re.search(r"sk-|BEGIN|AKIA", str(value))


def test_every_state_machine_is_traced_and_logs_no_data(stack: Stack) -> None:
    for machine in properties_of(stack, "AWS::StepFunctions::StateMachine").values():
        assert machine["TracingConfiguration"] == {"Enabled": True}
        assert machine["LoggingConfiguration"]["Level"] in {"ERROR", "ALL"}
        assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False  # it would be the prompt


def test_alarms_travel_encrypted() -> None:
    stack = deploy(**EVERYTHING)
    key = stack.properties("AlarmKey")

    assert stack.properties("AlarmTopic")["KmsMasterKeyId"] == "alarmkey"
    assert key["EnableKeyRotation"] is True
    allowed = {s["Sid"]: s for s in key["KeyPolicy"]["Statement"]}["AlarmsOfThisAccount"]
    # Both, or CloudWatch publishes nothing and says so nowhere.
    assert allowed["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]


# --- CloudFront -------------------------------------------------------------------------------------------------------


def distribution(**parameters: str) -> dict[str, Any]:
    config: dict[str, Any] = deploy(**parameters).properties("DownloadDistribution")["DistributionConfig"]
    return config


def test_nothing_of_cloudfront_is_made_unless_asked_for() -> None:
    types = {resource["Type"] for resource in deploy().resources.values()}

    assert not {name for name in types if name.startswith("AWS::CloudFront::")}
    assert "AWS::Lambda::LayerVersion" not in types
    assert {statement["Sid"] for statement in bucket_policy(deploy(), "PictureBucket")} == {"OnlyOverTls"}


@pytest.mark.parametrize("option", ["open links", "own domain", "everything"])
def test_distribution_is_logged_and_speaks_tls_only(option: str) -> None:
    config = distribution(**OPTIONS[option])
    behavior = config["DefaultCacheBehavior"]

    assert config["Logging"] == {
        "Bucket": "domainname-of-logbucket.example",
        "Prefix": "downloads/",
        "IncludeCookies": False,
    }
    assert behavior["ViewerProtocolPolicy"] == "https-only"
    assert behavior["AllowedMethods"] == ["GET", "HEAD"]
    assert "CacheBehaviors" not in config  # one behaviour, so none without the function or the signature
    assert config["HttpVersion"] == "http2and3"


def test_an_own_domain_takes_modern_tls() -> None:
    config = distribution(**OPTIONS["own domain"])

    assert config["Aliases"] == ["pictures.example.com"]
    assert config["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    assert "Aliases" not in distribution(Delivery="cloudfront")


def test_the_origin_is_the_private_bucket_by_access_control() -> None:
    stack = deploy(Delivery="cloudfront")
    [origin] = stack.properties("DownloadDistribution")["DistributionConfig"]["Origins"]

    assert origin["DomainName"] == "regionaldomainname-of-picturebucket.example"
    assert origin["OriginAccessControlId"] == "id-of-downloadaccess.example"
    assert origin["S3OriginConfig"] == {"OriginAccessIdentity": ""}
    assert (
        stack.properties("DownloadAccess")["OriginAccessControlConfig"].items()
        >= {
            "OriginAccessControlOriginType": "s3",
            "SigningBehavior": "always",
            "SigningProtocol": "sigv4",
        }.items()
    )


def test_links_are_open_only_where_the_operator_chose_it() -> None:
    assert "TrustedKeyGroups" not in distribution(Delivery="cloudfront")["DefaultCacheBehavior"]
    assert distribution(**EVERYTHING)["DefaultCacheBehavior"]["TrustedKeyGroups"] == ["downloadkeygroup"]
    assert deploy(**EVERYTHING).properties("DownloadKeyGroup")["KeyGroupConfig"]["Items"] == [
        EVERYTHING["CloudfrontKeyPairIds"]
    ]


def test_cloudfront_may_read_pictures_and_no_record() -> None:
    statements = {s["Sid"]: s for s in bucket_policy(deploy(Delivery="cloudfront"), "PictureBucket")}
    allowed = statements["PicturesThroughCloudFront"]
    patterns = [re.escape(arn).replace(r"\*", ".*") for arn in allowed["Resource"]]

    def may_read(key: str) -> bool:
        return any(re.fullmatch(pattern, f"arn:aws:s3:::picturebucket/{key}", re.DOTALL) for pattern in patterns)

    assert allowed["Action"] == "s3:GetObject"
    assert allowed["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert allowed["Condition"] == {
        "StringEquals": {"AWS:SourceArn": "arn:aws:cloudfront::123456789012:distribution/downloaddistribution"}
    }
    assert all(may_read(f"temporal/cli_1/0f5c.{ending}") for ending in ("png", "jpg", "webp"))
    assert not any(
        may_read(key)
        for key in ("temporal/cli_1/0f5c.json", "temporal/cli_1/0f5c", "lists/cli_1.png", "results/manifest.json", "")
    )


def test_pictures_are_told_to_be_pictures_and_cached_as_long_as_they_say() -> None:
    stack = deploy(Delivery="cloudfront")
    headers = stack.properties("DownloadHeadersPolicy")["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    cache = stack.properties("DownloadCachePolicy")["CachePolicyConfig"]
    behavior = stack.properties("DownloadDistribution")["DistributionConfig"]["DefaultCacheBehavior"]

    assert headers["ContentTypeOptions"] == {"Override": True}
    assert headers["ContentSecurityPolicy"]["ContentSecurityPolicy"] == "default-src 'none'"
    assert headers["StrictTransportSecurity"]["AccessControlMaxAgeSec"] >= 31536000
    # Between these the picture's own Expires decides, and a response without one is not kept.
    assert (cache["MinTTL"], cache["DefaultTTL"]) == (0, 0)
    assert cache["MaxTTL"] >= 3650 * 86400
    assert behavior["CachePolicyId"] == "downloadcachepolicy"
    assert behavior["ResponseHeadersPolicyId"] == "downloadheaderspolicy"
    [association] = behavior["FunctionAssociations"]
    assert association == {
        "EventType": "viewer-request",
        "FunctionARN": "arn:aws:cloudfront::123456789012:function/downloadpaths",
    }


def test_the_layer_that_signs_is_in_the_functions_that_make_links() -> None:
    with_layer = {
        name
        for name, function in properties_of(deploy(**EVERYTHING), "AWS::Lambda::Function").items()
        if function.get("Layers")
    }
    making_links = {
        name
        for name, function in properties_of(deploy(**EVERYTHING), "AWS::Lambda::Function").items()
        if "CLOUDFRONT_DOMAIN" in function["Environment"]["Variables"]
    }

    assert "GenerateImageFunction" in with_layer
    assert with_layer == making_links


def test_each_exception_from_the_scan_has_its_reason() -> None:
    lines = [line for line in CHECKOV.read_text("utf-8").splitlines() if re.match(r"\s+- CKV", line)]

    assert yaml.safe_load(CHECKOV.read_text("utf-8"))["skip-check"] == [line.split()[1] for line in lines]
    assert all(re.fullmatch(r"  - CKV\w+ +# .{20,}", line) for line in lines)
