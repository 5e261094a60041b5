"""The two state machines as they are deployed: what they are told, may do and write into a log."""

import re
from typing import Any

import pytest

from tests.statemachines.flow import BATCH, SINGLE, SUBSTITUTIONS, text_of
from tests.template.stack import Stack, deploy, parse_template

MACHINES = {"GenerateImageStateMachine": SINGLE, "GenerateImagesBatchStateMachine": BATCH}
WITHOUT_RESOURCES = {"DeliverLogs", "WriteTraces"}


@pytest.fixture(scope="module")
def stack() -> Stack:
    return deploy()


def statements(stack: Stack, role: str) -> dict[str, Any]:
    [policy] = stack.properties(role)["Policies"]
    return {statement["Sid"]: statement for statement in policy["PolicyDocument"]["Statement"]}


@pytest.mark.parametrize("logical_id", MACHINES)
def test_every_name_in_a_definition_is_substituted(stack: Stack, logical_id: str) -> None:
    names = set(re.findall(r"\$\{(\w+)\}", text_of(MACHINES[logical_id])))

    assert stack.properties(logical_id)["DefinitionSubstitutions"].keys() == names
    assert names <= SUBSTITUTIONS.keys()
    uri = parse_template()["Resources"][logical_id]["Properties"]["DefinitionUri"]
    assert uri == f"statemachines/{MACHINES[logical_id]}.asl.yaml"


def test_a_batch_s_bounds_are_parameters() -> None:
    stack = deploy(BatchConcurrency="84", BatchToleratedFailurePercentage="5")
    substitutions = stack.properties("GenerateImagesBatchStateMachine")["DefinitionSubstitutions"]

    assert (substitutions["Concurrency"], substitutions["ToleratedFailurePercentage"]) == ("84", "5")


@pytest.mark.parametrize("logical_id", MACHINES)
def test_the_log_holds_no_data_of_an_execution_because_it_holds_the_prompt(stack: Stack, logical_id: str) -> None:
    machine = stack.properties(logical_id)

    assert machine["StateMachineType"] == "STANDARD"
    assert machine["TracingConfiguration"] == {"Enabled": True}
    assert machine["LoggingConfiguration"] == {
        "Level": "ERROR",
        "IncludeExecutionData": False,
        "Destinations": [
            {
                "CloudWatchLogsLogGroup": {
                    "LogGroupArn": "arn:aws:logs:eu-west-1:123456789012:log-group:statemachinesloggroup:*"
                }
            }
        ],
    }


def granted(stack: Stack, role: str) -> dict[str, tuple[Any, Any]]:
    return {
        sid: (statement["Action"], statement["Resource"])
        for sid, statement in statements(stack, role).items()
        if sid not in WITHOUT_RESOURCES
    }


def test_the_picture_s_machine_may_call_its_function(stack: Stack) -> None:
    function = "arn:aws:lambda:eu-west-1:123456789012:function:generateimagefunction"

    assert granted(stack, "GenerateImageStateMachineRole") == {
        "GenerateImages": ("lambda:InvokeFunction", function),
    }


def test_the_batch_s_machine_may_call_its_functions_read_lists_write_results_and_start_its_items(stack: Stack) -> None:
    functions = "arn:aws:lambda:eu-west-1:123456789012:function:"
    states = "arn:aws:states:eu-west-1:123456789012:"
    name = stack.properties("GenerateImagesBatchStateMachine")["StateMachineName"]

    assert granted(stack, "GenerateImagesBatchStateMachineRole") == {
        "GenerateImagesAndCountThem": (
            "lambda:InvokeFunction",
            [f"{functions}generateimagefunction", f"{functions}countresultsfunction"],
        ),
        "ReadLists": ("s3:GetObject", "arn:aws:s3:::picturebucket/lists/*"),
        "WriteResults": (
            ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"],
            "arn:aws:s3:::picturebucket/results/*",
        ),
        "StartItems": ("states:StartExecution", f"{states}stateMachine:{name}"),
        "FollowItems": (
            ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"],
            f"{states}execution:{name}/*",
        ),
    }


@pytest.mark.parametrize("role", ["GenerateImageStateMachineRole", "GenerateImagesBatchStateMachineRole"])
def test_only_logs_and_traces_have_no_resource_and_only_this_account_s_machines_take_the_role(
    stack: Stack, role: str
) -> None:
    [trust] = stack.properties(role)["AssumeRolePolicyDocument"]["Statement"]

    assert {sid for sid, statement in statements(stack, role).items() if statement["Resource"] == "*"} == (
        WITHOUT_RESOURCES
    )
    assert trust["Principal"] == {"Service": "states.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_the_function_that_counts_reads_results_and_nothing_else(stack: Stack) -> None:
    function = stack.properties("CountResultsFunction")

    assert function["Handler"] == "generate_image.totals.handler"
    assert function["Timeout"] == 900
    assert granted(stack, "CountResultsRole") == {
        "ReadResults": ("s3:GetObject", "arn:aws:s3:::picturebucket/results/*"),
        "WriteLogs": (
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            "arn:aws:logs:eu-west-1:123456789012:log-group:countresultsloggroup:*",
        ),
    }
