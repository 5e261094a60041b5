"""The template's policies suffice for every path. Each right that they grant is needed, and all else is denied."""

import json
from collections.abc import Sequence

import pytest
from botocore.exceptions import ClientError

from generate_image.errors import GenerateImageError
from local.account import Account
from local.expand_template import ACCOUNT, EVERY_OPTION, REGION, deploy, parse_template
from local.openai_stand_in import StandIn
from tests.proof.rights.forbidden import forbidden_to
from tests.proof.rights.iam import Grant, Request, Statement, actions_of, allows, limits_of, listed
from tests.proof.rights.needs import (
    FUNCTIONS,
    LOGGING,
    MACHINES,
    RULES,
    STACKS,
    SUBJECTS,
    TRACING,
    Subject,
    kms_request,
    requests_of,
)
from tests.proof.rights.paths import PATHS, log_and_traces_are_written
from tests.proof.rights.world import Path, World

ACTIONS = [
    pytest.param(function, statement, grant, id=f"{function}-{statement['Sid']}-{grant.value}")
    for function in FUNCTIONS
    for statement in function.statements()
    for grant in actions_of(statement)
]


def without(statements: Sequence[Statement], statement: Statement, grant: Grant) -> list[Statement]:
    return [grant.rest if each is statement else each for each in statements]


def denied(statements: Sequence[Statement], requests: list[Request]) -> list[Request]:
    return [request for request in requests if not allows(statements, request)]


def fails(path: Path, world: World) -> bool:
    try:
        path(world)
    except (ClientError, GenerateImageError, AssertionError):
        return True
    return False


@pytest.fixture(scope="module")
def world(running_account: Account, running_stand_in: StandIn) -> World:
    running_account.empty()
    return World(running_account, running_stand_in)


@pytest.mark.parametrize("name", STACKS)
def test_every_role_and_policy_is_proved(name: str) -> None:
    stack = STACKS[name]

    assert sorted(subject.role for subject in SUBJECTS if subject.stack is stack) == sorted(
        stack.of_type("AWS::IAM::Role")
    )
    assert not stack.of_type("AWS::IAM::Policy")
    for policy in stack.of_type("AWS::IAM::ManagedPolicy").values():
        assert policy.keys() == {"PolicyDocument"}  # no Roles, Users or Groups
    invoked = {permission["FunctionName"] for permission in stack.of_type("AWS::Lambda::Permission").values()}
    assert invoked - {"apifunction", "modelwatchfunction"} == set()  # no service may invoke a function that buys


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_role_trusts_only_its_service(subject: Subject) -> None:
    [trust] = subject.stack.properties(subject.role)["AssumeRolePolicyDocument"]["Statement"]

    assert (trust["Effect"], trust["Action"]) == ("Allow", "sts:AssumeRole")
    if subject in FUNCTIONS:
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
    else:
        service = "states.amazonaws.com" if subject in MACHINES else "events.amazonaws.com"
        assert trust["Principal"] == {"Service": service}
        assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


@pytest.mark.parametrize(("function", "statement", "grant"), ACTIONS)
def test_paths_need_exactly_the_actions(world: World, function: Subject, statement: Statement, grant: Grant) -> None:
    """Each path works with the template's policies. Without an action, a path fails that needed it when it worked."""
    statements = without(function.statements(), statement, grant)
    paths = [log_and_traces_are_written, *PATHS[function.logical_id]]
    needing = [path for path in paths if denied(statements, world.needed_by(function, path))]
    assert needing, "no path needs it"

    world.enter(function, statements)

    assert any(fails(path, world) for path in needing)
    assert {request.action for request in world.denied} == {grant.value}


def test_each_resource_and_condition_is_needed(world: World) -> None:
    """A managed policy needs one role, of those that have it, for each of its values."""
    spare: dict[int, set[str]] = {}
    for subject in (subject for subject in SUBJECTS if subject.stack_name == "every option"):
        if subject in FUNCTIONS:
            paths = [log_and_traces_are_written, *PATHS[subject.logical_id]]
            needed = [request for path in paths for request in world.needed_by(subject, path)]
        else:
            needed = requests_of(subject)
        statements = subject.statements()
        for statement in statements:  # those of a managed policy are the same objects for every role
            spare_here = {
                f"{statement['Sid']} {grant.value}"
                for grant in limits_of(statement)
                if not denied(without(statements, statement, grant), needed)
            }
            spare[id(statement)] = spare.get(id(statement), spare_here) & spare_here

    assert [values for values in spare.values() if values] == []


@pytest.mark.parametrize("subject", MACHINES + RULES, ids=str)
def test_machine_and_rule_have_exactly_their_rights(subject: Subject) -> None:
    statements = subject.statements()
    needed = requests_of(subject)

    assert denied(statements, needed) == []
    for statement in statements:
        for grant in actions_of(statement):
            assert denied(without(statements, statement, grant), needed), f"{grant.value} is spare"


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_all_other_requests_are_denied(subject: Subject) -> None:
    assert [request for request in forbidden_to(subject) if allows(subject.statements(), request)] == []
    for statement in subject.statements():
        actions = listed(statement["Action"])
        assert not any(character in action for action in actions for character in "*?")
        if "*" in listed(statement["Resource"]):
            assert set(actions) <= {*LOGGING, *TRACING}, "AWS has resources for these"


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_only_its_rule_writes_to_the_queue(rule: Subject) -> None:
    [policy] = rule.stack.of_type("AWS::SQS::QueuePolicy").values()
    allowing = [dict(each) for each in policy["PolicyDocument"]["Statement"] if each["Effect"] == "Allow"]
    assert [each.pop("Principal") for each in allowing] == [{"Service": "events.amazonaws.com"}]
    queue = rule.properties["Targets"][0]["DeadLetterConfig"]["Arn"]
    arn = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{rule.logical_id.lower()}"

    sources = [{"aws:SourceArn": arn}, {"aws:SourceArn": f"{arn}-2"}, {}]
    allowed = [allows(allowing, Request("sqs:SendMessage", queue, source)) for source in sources]
    assert allowed == [True, False, False]


@pytest.mark.parametrize(
    ("partition", "region", "suffix"),
    [("aws-us-gov", "us-gov-west-1", ""), ("aws-cn", "cn-north-1", ""), ("aws-cn", "cn-north-1", ".cn")],
)
def test_policies_work_in_other_partitions(partition: str, region: str, suffix: str) -> None:
    key = f"arn:{partition}:kms:{region}:{ACCOUNT}:key/0f5c8a1e"
    stack = deploy({"AWS::Partition": partition, "AWS::Region": region}, **EVERY_OPTION | {"KmsKeyArn": key})
    statements = stack.statements("GenerateImageRole")

    for name, resource in parse_template()["Resources"].items():
        if "AWS::IAM::" in str(resource):
            assert "arn:aws:" not in json.dumps(resource), name
    for action, service in (("Decrypt", "s3"), ("Decrypt", "secretsmanager"), ("GenerateDataKey", "s3")):
        request = kms_request(f"kms:{action}", key, service, region)
        host = request.context["kms:ViaService"] + suffix
        assert allows(statements, request._replace(context={"kms:ViaService": host}))
