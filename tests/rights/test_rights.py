"""The template's own policies suffice for every path; none of what they grant is spare, and all else is denied."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from botocore.exceptions import ClientError

from generate_image.errors import GenerateImageError
from local.account import Account
from local.openai_stand_in import StandIn
from tests.rights.iam import Request, actions, allows
from tests.rights.programs import FUNCTION_ROLES, MACHINE_ROLES, OUTSIDE_EVERY_ROLE
from tests.rights.state_machines import requests_of_machine
from tests.rights.world import World, enforced
from tests.template.everything import EVERYTHING
from tests.template.stack import Stack, deploy

STACKS = {"default": deploy(), "everything": deploy(**EVERYTHING)}


def statements_of(stack: Stack, role: str) -> list[dict[str, Any]]:
    policies = stack.properties(role)["Policies"]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def without(action: str, statement: Mapping[str, Any], statements: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the statements less one action of one of them."""
    rest = [other for other in actions(statement) if other != action]
    lessened = [{**statement, "Action": rest}] if rest else []
    return [dict(other) for other in statements if other is not statement] + lessened


def role_of(stack: Stack, function: Mapping[str, Any]) -> str:
    arn = function["Properties"]["Role"]
    [role] = [name for name in stack.of_type("AWS::IAM::Role") if arn.endswith(f":role/{name.lower()}")]
    return role


ROLES = [(name, role) for name, stack in STACKS.items() for role in stack.of_type("AWS::IAM::Role")]
PATHS = [
    pytest.param(name, role, path, id=f"{name}-{role}-{path.__name__}")
    for name, role in ROLES
    if role in FUNCTION_ROLES
    for path in FUNCTION_ROLES[role].paths
]
GRANTS = [
    pytest.param(name, role, statement, action, id=f"{name}-{role}-{statement['Sid']}-{action}")
    for name, role in ROLES
    if role in FUNCTION_ROLES
    for statement in statements_of(STACKS[name], role)
    for action in actions(statement)
]

Enforce = Callable[[str, str, Sequence[Mapping[str, Any]]], World]


@pytest.fixture
def enforce(account: Account, stand_in: StandIn) -> Iterator[Enforce]:
    """Gives the world of a stack's role that has these statements."""
    with ExitStack() as entered:

        def enter(name: str, role: str, statements: Sequence[Mapping[str, Any]]) -> World:
            program = FUNCTION_ROLES[role]
            world = World(account, stand_in, STACKS[name], program.function, statements)
            program.prepare(world)
            return entered.enter_context(enforced(world, account))

        yield enter


def test_every_role_is_looked_at_here() -> None:
    assert {role for _, role in ROLES} == FUNCTION_ROLES.keys() | MACHINE_ROLES.keys()


@pytest.mark.parametrize("name", STACKS)
def test_every_function_has_a_role_of_its_own_and_no_policy_of_anybody_else_s(name: str) -> None:
    stack = STACKS[name]
    functions = stack.of_type("AWS::Lambda::Function")

    roles = {role_of(stack, function): function_name for function_name, function in functions.items()}

    assert roles == {role: FUNCTION_ROLES[role].function for role in FUNCTION_ROLES if (name, role) in ROLES}
    for role in stack.of_type("AWS::IAM::Role").values():
        assert "ManagedPolicyArns" not in role["Properties"]


@pytest.mark.parametrize(("name", "role", "path"), PATHS)
def test_a_path_needs_no_more_than_its_role_may(
    enforce: Enforce, name: str, role: str, path: Callable[[World], None]
) -> None:
    world = enforce(name, role, statements_of(STACKS[name], role))

    path(world)

    assert world.role.denied == []


@pytest.mark.parametrize(("name", "role", "statement", "action"), GRANTS)
def test_nothing_that_a_function_s_role_may_is_spare(
    enforce: Enforce, name: str, role: str, statement: Mapping[str, Any], action: str
) -> None:
    world = enforce(name, role, without(action, statement, statements_of(STACKS[name], role)))

    assert any(fails(path, world) for path in FUNCTION_ROLES[role].paths)
    assert {denied.split()[0] for denied in world.role.denied} == {action}


def fails(path: Callable[[World], None], world: World) -> bool:
    world.stand_in.reset()
    try:
        path(world)
    except (ClientError, GenerateImageError, AssertionError):
        return True
    return False


@pytest.mark.parametrize(("name", "role"), [grant for grant in ROLES if grant[1] in MACHINE_ROLES])
def test_a_state_machine_s_role_may_what_its_definition_needs_and_nothing_is_spare(name: str, role: str) -> None:
    machine, definition = MACHINE_ROLES[role]
    properties = STACKS[name].properties(machine)
    statements = statements_of(STACKS[name], role)
    needed = requests_of_machine(properties, definition)

    assert properties["RoleArn"].endswith(f":role/{role.lower()}")
    assert [request for request in needed if not allows(statements, request)] == []
    for statement in statements:
        for action in actions(statement):
            lessened = without(action, statement, statements)
            assert [request for request in needed if not allows(lessened, request)], action


@pytest.mark.parametrize("request_", OUTSIDE_EVERY_ROLE, ids=lambda request: f"{request.action}-{request.resource}")
@pytest.mark.parametrize(("name", "role"), ROLES)
def test_what_is_outside_every_role_is_denied(name: str, role: str, request_: Request) -> None:
    assert not allows(statements_of(STACKS[name], role), request_)


@pytest.mark.parametrize(("name", "role"), [grant for grant in ROLES if grant[1] in FUNCTION_ROLES])
def test_what_is_another_function_s_business_is_denied(name: str, role: str) -> None:
    statements = statements_of(STACKS[name], role)

    assert [request for request in FUNCTION_ROLES[role].outside if allows(statements, request)] == []


S3_CALLS: list[tuple[str, dict[str, str]]] = [
    ("get_object", {"Key": "lists/spring.json"}),
    ("put_object", {"Key": "lists/spring.json"}),
    ("delete_object", {"Key": "temporal/cli_1/0f5c8a1e.png"}),
    ("put_object_acl", {"Key": "temporal/cli_1/0f5c8a1e.png", "ACL": "public-read"}),
    ("put_bucket_policy", {"Policy": "{}"}),
    ("delete_bucket", {}),
]


@pytest.mark.parametrize(("method", "parameters"), S3_CALLS, ids=[method for method, _ in S3_CALLS])
def test_a_call_outside_fails_at_moto_too(enforce: Enforce, method: str, parameters: dict[str, str]) -> None:
    world = enforce("default", "GenerateImageRole", statements_of(STACKS["default"], "GenerateImageRole"))
    s3 = world.of_owner("s3")
    for key in ("lists/spring.json", "temporal/cli_1/0f5c8a1e.png"):
        s3.put_object(Bucket=world.bucket, Key=key, Body=b"")

    with pytest.raises(ClientError, match="AccessDenied"):
        getattr(world.role.client("s3", judged_here=False), method)(Bucket=world.bucket, **parameters)


def test_a_missing_picture_is_hidden_from_who_may_not_list(enforce: Enforce) -> None:
    statements = statements_of(STACKS["default"], "GenerateImageRole")
    unlisted = [statement for statement in statements if statement["Action"] != "s3:ListBucket"]
    world = enforce("default", "GenerateImageRole", unlisted)

    with pytest.raises(ClientError, match=r"\(403\)"):
        world.role.client("s3").head_object(Bucket=world.bucket, Key="temporal/cli_1/missing.png")
    with pytest.raises(ClientError, match=r"\(AccessDenied\)"):
        world.role.client("s3").get_object(Bucket=world.bucket, Key="temporal/cli_1/missing.json")
