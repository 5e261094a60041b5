"""The stack's resources, without and with every option: closed buckets, least permissions, valid names."""

import json
import re
import subprocess
from typing import Any

import pytest

from generate_image.picture import PICTURE_TYPES, object_key
from local.expand_template import EVERY_OPTION, TEMPLATE, Stack, deploy, parse_template

SAM_PYTHON = TEMPLATE.parent / ".venv-sam" / "bin" / "python"
EXPAND = """
import json, sys
from samcli.lib.cfn_language_extensions.sam_integration import expand_language_extensions
from samcli.yamlhelper import yaml_parse
template = yaml_parse(open(sys.argv[1]).read())
json.dump(expand_language_extensions(template, enabled=True).expanded_template["Resources"], sys.stdout)
"""


def encryption(stack: Stack, bucket: str) -> dict[str, Any]:
    [rule] = stack.properties(bucket)["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    found: dict[str, Any] = rule["ServerSideEncryptionByDefault"]
    return found


@pytest.mark.parametrize("stack", [deploy(), deploy(**EVERY_OPTION)], ids=["defaults", "every option"])
def test_resource_policies_require_tls_and_name_their_callers(stack: Stack) -> None:
    """checkov, in `make lint`, requires encryption and buckets without public access."""
    for kind in ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"):
        for policy in stack.of_type(kind).values():
            statements = {statement["Sid"]: statement for statement in policy["PolicyDocument"]["Statement"]}
            deny = statements.pop("DenyWithoutTls")
            assert (deny["Effect"], deny["Principal"]) == ("Deny", "*")
            assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            if "Bucket" in policy:
                bucket = f"arn:aws:s3:::{policy['Bucket']}"
                assert (deny["Action"], deny["Resource"]) == ("s3:*", [bucket, f"{bucket}/*"])
            for statement in statements.values():
                assert re.search("aws:source(arn|account)", str(statement["Condition"]).lower())


def test_bucket_stays_except_after_a_failed_creation() -> None:
    for logical_id in ("PictureBucket", "PictureBucketPolicy", "LogBucket", "LogBucketPolicy"):
        resource = parse_template()["Resources"][logical_id]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_access_logs_can_be_disabled() -> None:
    with_logs, without = (deploy(KeepAccessLogs=value, Delivery="cloudfront") for value in ("true", "false"))

    assert with_logs.properties("PictureBucket")["LoggingConfiguration"]["DestinationBucketName"] == "logbucket"
    assert with_logs.properties("DownloadDistribution")["DistributionConfig"]["Logging"]["Prefix"] == "downloads/"
    assert "LogBucket" not in without.resources
    assert "LoggingConfiguration" not in without.properties("PictureBucket")
    assert "Logging" not in without.properties("DownloadDistribution")["DistributionConfig"]
    # S3 refuses BucketOwnerEnforced once CloudFront has written a grant into the ACL, so no option changes it.
    for stack in (with_logs, deploy()):
        assert stack.properties("LogBucket")["OwnershipControls"]["Rules"] == [
            {"ObjectOwnership": "BucketOwnerPreferred"}
        ]


def test_objects_expire_after_the_days_of_the_parameters() -> None:
    stack = deploy(PictureRetentionDays="30", BatchRetentionDays="90", LogRetentionDays="365")
    days = {
        (name, rule.get("Prefix")): rule["ExpirationInDays"]
        for name, bucket in stack.of_type("AWS::S3::Bucket").items()
        for rule in bucket["LifecycleConfiguration"]["Rules"]
    }

    assert days == {
        ("PictureBucket", "temporal/"): "30",
        ("PictureBucket", "budgets/"): 400,
        ("PictureBucket", "lists/"): "90",
        ("PictureBucket", "results/"): "90",
        ("LogBucket", None): "365",
    }


def test_own_keys_encrypt_all_but_the_access_logs() -> None:
    """S3 delivers access logs only to a bucket with SSE-S3.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
    """
    with_key, without = deploy(**EVERY_OPTION), deploy()
    key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": EVERY_OPTION["KmsKeyArn"]}

    assert encryption(with_key, "PictureBucket") == key
    assert encryption(with_key, "LogBucket") == encryption(without, "PictureBucket") == {"SSEAlgorithm": "AES256"}
    assert with_key.properties("AlarmTopic")["KmsMasterKeyId"] == EVERY_OPTION["AlarmKmsKeyArn"]
    assert "KmsMasterKeyId" not in deploy(**EVERY_OPTION | {"AlarmKmsKeyArn": ""}).properties("AlarmTopic")
    assert "kms" not in str(without.resources).lower()


def test_policies_follow_the_prefix_of_the_credentials() -> None:
    resources = deploy(**EVERY_OPTION, CredentialsPrefix="flows/images").resources

    assert ":secret:flows/images/" in str(resources)
    assert ":secret:generate-image/" not in str(resources)


def test_cloudfront_reads_pictures_and_no_record() -> None:
    policy = deploy(Delivery="cloudfront").properties("PictureBucketPolicy")["PolicyDocument"]
    [allowed] = [each["Resource"] for each in policy["Statement"] if each["Sid"] == "CloudFrontReadsPictures"]
    patterns = [re.escape(arn).replace(r"\*", ".*") for arn in allowed]
    pictures = [object_key("1", "0f", picture_type.extension) for picture_type in PICTURE_TYPES]
    others = ["temporal/cli_1/0f.json", "temporal/cli_1/0f", "temporal/1.png", "lists/1.png"]

    for key in pictures + others:
        assert bool(re.fullmatch("|".join(patterns), f"arn:aws:s3:::picturebucket/{key}")) == (key in pictures), key
    assert "CloudFrontReadsPictures" not in str(deploy().resources)


def test_functions_have_their_retries_concurrency_and_layers() -> None:
    stack = deploy(**EVERY_OPTION | {"ReservedConcurrency": "0", "ApiReservedConcurrency": "7"})
    functions = stack.of_type("AWS::Lambda::Function")
    [configuration] = stack.of_type("AWS::Lambda::EventInvokeConfig").values()

    assert (configuration["FunctionName"], configuration["MaximumRetryAttempts"]) == ("generateimagefunction", 0)
    assert functions["GenerateImageFunction"]["ReservedConcurrentExecutions"] == "0"
    assert functions["ApiFunction"]["ReservedConcurrentExecutions"] == "7"
    assert "ReservedConcurrentExecutions" not in str(deploy().resources)
    signing = {name for name, function in functions.items() if function.get("Layers")}
    assert signing == {"GenerateImageFunction", "ApiFunction", "BatchShardsFunction"}  # these make links


@pytest.mark.parametrize("machine", ["GenerateImageStateMachine", "GenerateImagesBatchStateMachine"])
def test_state_machine_calls_services_of_its_partition(machine: str) -> None:
    properties = deploy({"AWS::Partition": "aws-cn"}).properties(machine)
    definition = (TEMPLATE.parent / parse_template()["Resources"][machine]["Properties"]["DefinitionUri"]).read_text()

    assert properties["DefinitionSubstitutions"]["Partition"] == "aws-cn"
    assert properties["DefinitionSubstitutions"].keys() == set(re.findall(r"\$\{(\w+)\}", definition))
    assert set(re.findall(r"arn:[^:]+:", definition)) == {"arn:${Partition}:"}
    assert definition.isascii()  # CloudFormation reads the file in its own character set
    assert properties["LoggingConfiguration"]["IncludeExecutionData"] is False  # it contains the prompt


def test_names_are_within_the_limits_of_aws() -> None:
    stack = deploy({"AWS::StackName": "s" * 48, "AWS::Region": "ap-southeast-2"}, **EVERY_OPTION)
    cloudfront = [each for each in stack.resources.values() if each["Type"].startswith("AWS::CloudFront::")]
    names = re.findall("'Name': '([^']+)'", str(cloudfront))
    machines = [machine["StateMachineName"] for machine in stack.of_type("AWS::StepFunctions::StateMachine").values()]

    assert len(names) == 5
    assert max(map(len, names)) <= 64
    assert max(map(len, machines)) <= 80


@pytest.mark.slow
@pytest.mark.skipif(not SAM_PYTHON.exists(), reason="make test-all installs SAM CLI")
def test_sam_cli_expands_the_loops_to_the_same_resources() -> None:
    of_sam = json.loads(subprocess.run([SAM_PYTHON, "-c", EXPAND, TEMPLATE], capture_output=True, check=True).stdout)

    for kind in ("AWS::Logs::LogGroup", "AWS::CloudWatch::Alarm"):
        expanded = deploy(**EVERY_OPTION).of_type(kind)
        assert expanded.keys() == {name for name, resource in of_sam.items() if resource["Type"] == kind}
        for name, properties in expanded.items():
            for key in ("MetricName", "Namespace", "Period", "Threshold"):
                assert str(properties.get(key)) == str(of_sam[name]["Properties"].get(key))
