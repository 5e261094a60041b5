"""The functions, state machines and rules of both stacks, and the policies of their roles."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from local.expand_template import EVERY_OPTION, Stack, deploy
from tests.proof.rights.iam import Statement

STACKS = {"defaults": deploy(), "every option": deploy(**EVERY_OPTION)}


class Subject(NamedTuple):
    """A function, a state machine or an EventBridge rule of a stack."""

    stack_name: str
    logical_id: str

    def __str__(self) -> str:
        return "-".join(self)

    @property
    def stack(self) -> Stack:
        """The stack."""
        return STACKS[self.stack_name]

    @property
    def properties(self) -> dict[str, Any]:
        """The properties in the template."""
        return self.stack.properties(self.logical_id)

    @property
    def role(self) -> str:
        """The logical name of the role."""
        arn = self.properties.get("Role") or self.properties.get("RoleArn") or self.properties["Targets"][0]["RoleArn"]
        [role] = [name for name in self.stack.of_type("AWS::IAM::Role") if arn.endswith(f":role/{name.lower()}")]
        return role

    @property
    def kms_key(self) -> str | None:
        """The key of the bucket and of the secrets."""
        encryption = self.stack.properties("PictureBucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        key: str | None = encryption[0]["ServerSideEncryptionByDefault"].get("KMSMasterKeyID")
        return key

    def statements(self) -> Sequence[Statement]:
        """Return the statements of the role. Those of a managed policy are the same objects for each of its roles."""
        return self.stack.statements(self.role)


def _subjects(resource_type: str) -> list[Subject]:
    return [Subject(name, logical_id) for name, stack in STACKS.items() for logical_id in stack.of_type(resource_type)]


FUNCTIONS = _subjects("AWS::Lambda::Function")
MACHINES = _subjects("AWS::StepFunctions::StateMachine")
RULES = [rule for rule in _subjects("AWS::Events::Rule") if "RoleArn" in rule.properties["Targets"][0]]
SUBJECTS = FUNCTIONS + MACHINES + RULES
