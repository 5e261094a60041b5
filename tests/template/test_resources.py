"""What is deployed: a closed bucket that forgets, a function that Lambda does not retry, logs that end."""

import pytest

from tests.template.stack import Stack, deploy, parse_template


@pytest.fixture(scope="module")
def stack() -> Stack:
    return deploy()


def test_bucket_is_closed_to_the_public_and_to_access_control_lists(stack: Stack) -> None:
    bucket = stack.properties("PictureBucket")

    assert bucket["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_bucket_is_encrypted(stack: Stack) -> None:
    [rule] = stack.properties("PictureBucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]

    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


def test_bucket_answers_over_tls_only(stack: Stack) -> None:
    policy = stack.properties("PictureBucketPolicy")
    [statement] = policy["PolicyDocument"]["Statement"]

    assert policy["Bucket"] == "picturebucket"
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Resource"] == ["arn:aws:s3:::picturebucket", "arn:aws:s3:::picturebucket/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_pictures_lists_and_results_expire_after_the_parameters_days() -> None:
    bucket = deploy(PictureRetentionDays="30", BatchRetentionDays="90").properties("PictureBucket")
    rules = {rule["Prefix"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}

    assert {prefix: rule["ExpirationInDays"] for prefix, rule in rules.items()} == {
        "temporal/": "30",
        "lists/": "90",
        "results/": "90",
    }
    assert {rule["Status"] for rule in rules.values()} == {"Enabled"}
    assert all(rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1} for rule in rules.values())


@pytest.mark.parametrize("logical_id", ["PictureBucket", "PictureBucketPolicy"])
def test_bucket_and_its_policy_stay_when_the_stack_goes(stack: Stack, logical_id: str) -> None:
    resource = stack.resources[logical_id]

    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_function_has_the_time_and_memory_that_a_picture_takes(stack: Stack) -> None:
    function = stack.properties("GenerateImageFunction")

    assert function["Handler"] == "generate_image.handler.handler"
    assert (function["Runtime"], function["Timeout"], int(function["MemorySize"])) == ("python3.13", 300, 1024)
    assert function["TracingConfig"] == {"Mode": "Active"}


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_architecture_is_a_parameter(architecture: str) -> None:
    function = deploy(Architecture=architecture).properties("GenerateImageFunction")

    assert function["Architectures"] == [architecture]


def test_asynchronous_calls_are_not_retried(stack: Stack) -> None:
    [configuration] = stack.of_type("AWS::Lambda::EventInvokeConfig").values()

    assert configuration["Properties"]["FunctionName"] == "generateimagefunction"
    assert configuration["Properties"]["MaximumRetryAttempts"] == 0


def test_concurrency_is_reserved_only_when_asked_for(stack: Stack) -> None:
    reserved = deploy(ReservedConcurrency="0").properties("GenerateImageFunction")

    assert "ReservedConcurrentExecutions" not in stack.properties("GenerateImageFunction")
    assert reserved["ReservedConcurrentExecutions"] == "0"


def test_function_logs_to_a_group_that_forgets() -> None:
    stack = deploy(LogRetentionDays="90")

    assert stack.properties("GenerateImageFunction")["LoggingConfig"] == {"LogGroup": "generateimageloggroup"}
    assert stack.properties("GenerateImageLogGroup")["RetentionInDays"] == "90"


def test_outputs_say_how_to_store_a_key(stack: Stack) -> None:
    command = deploy(CredentialsPrefix="flows/images").outputs["CreateCredentialCommand"]["Value"]

    assert command.startswith("aws secretsmanager create-secret --region eu-west-1 --name flows/images/shared/")
    assert stack.outputs["FunctionName"]["Value"] == "generateimagefunction"
    assert stack.outputs["FunctionArn"]["Value"].endswith(":function:generateimagefunction")
    assert stack.outputs["BucketName"]["Value"] == "picturebucket"


def test_every_parameter_has_a_default_a_description_and_a_place_in_the_form() -> None:
    template = parse_template()
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    placed = [name for group in groups for name in group["Parameters"]]

    assert sorted(placed) == sorted(template["Parameters"])
    for name, parameter in template["Parameters"].items():
        assert "Default" in parameter, name
        assert parameter["Description"], name
