"""AWS Step Functions on this machine: moto's interpreter, with functions of ours behind its Lambda tasks.

    functions = {"GenerateImageFunction": lambda event, context: handler(event, context)}
    with local_account() as account, StateMachines(account, functions) as machines:
        substitutions = {"GenerateImageFunctionArn": function_arn("GenerateImageFunction")}
        definition = Path("statemachines/generate_image.asl.yaml").read_text("utf-8")
        arn = machines.create("generate-image", definition, substitutions)
        machines.client.start_execution(stateMachineArn=arn, name="order-4711", input=json.dumps(event))

Any boto3 client of the account, in this process or another, can start and describe the executions. The definitions are
those that the template deploys; what the interpreter lacks of AWS's is in `step_functions_gaps`. One may be open at a
time: what is changed in moto is changed for the whole process.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import requests
import yaml

from local.account import REGION, Account
from local.step_functions_gaps import Function, Gaps

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

ACCOUNT_ID = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/state-machine"  # moto looks at its form alone


def function_arn(name: str) -> str:
    """Return the ARN of a function that ``StateMachines`` was given under this name."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{name}"


def definition_of(text: str, substitutions: Mapping[str, str]) -> dict[str, Any]:
    """Return a definition with its ``${names}`` substituted, as CloudFormation does: in the text, before it is read.

    Raises KeyError for a name that is not among the substitutions.
    """
    substituted = re.sub(r"\$\{(\w+)\}", lambda found: substitutions[found[1]], text)
    definition: dict[str, Any] = yaml.safe_load(substituted)
    return definition


class StateMachines:
    """State machines in an account on this machine, for as long as the context lasts."""

    def __init__(
        self,
        account: Account,
        functions: Mapping[str, Function],
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """functions: what the Lambda tasks call, by name. sleep: how the machines wait before a retry."""
        self._account = account
        self._gaps = Gaps(account, functions, sleep)
        self.client: SFNClient = account.session().client("stepfunctions", endpoint_url=account.endpoint)

    def __enter__(self) -> Self:
        self._execute_state_machines(yes=True)
        self._gaps.fill()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._gaps.reopen()
        self._execute_state_machines(yes=False)

    def create(self, name: str, definition: str, substitutions: Mapping[str, str]) -> str:
        """Create a state machine from the text of its definition (YAML or JSON) and return its ARN."""
        text = json.dumps(self._gaps.rewrite(definition_of(definition, substitutions)))
        return self.client.create_state_machine(name=name, definition=text, roleArn=ROLE)["stateMachineArn"]

    def _execute_state_machines(self, *, yes: bool) -> None:
        config = {"stepfunctions": {"execute_state_machine": yes}}
        requests.post(f"{self._account.endpoint}/moto-api/config", json=config, timeout=10).raise_for_status()
