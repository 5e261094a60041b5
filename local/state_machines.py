"""AWS Step Functions on this machine: moto's interpreter, with Python functions behind its Lambda tasks.

    with local_account() as account, StateMachines(account, {"GenerateImageFunction": function}) as machines:
        arn = machines.create(GENERATE_IMAGE, definition_text(GENERATE_IMAGE), SUBSTITUTIONS)
        machines.client.start_execution(stateMachineArn=arn, name="order-4711", input=json.dumps(event))

Any boto3 client of the account, in this process or another, can start and describe the executions. The definitions are
those that the template deploys; `step_functions_gaps` adds the features that moto lacks. It changes moto in the whole
process, so only one may be open at a time.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import yaml

from local.account import BUCKET, REGION, Account
from local.lambda_context import Function
from local.step_functions_gaps import MAP_RUN, MapRun, filled, without_maps

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

ACCOUNT_ID = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/state-machine"  # moto checks only its form
DEFINITIONS = Path(__file__).parents[1] / "statemachines"
GENERATE_IMAGE = "generate_image"
GENERATE_IMAGES_BATCH = "generate_images_batch"


def function_arn(name: str) -> str:
    """Return the ARN of a function by its name in ``StateMachines``."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{name}"


SUBSTITUTIONS = {
    "Partition": "aws",
    "GenerateImageFunctionArn": function_arn("GenerateImageFunction"),
    "PrepareListFunctionArn": function_arn("PrepareListFunction"),
    "CountResultsFunctionArn": function_arn("CountResultsFunction"),
    "BatchShardsFunctionArn": function_arn("BatchShardsFunction"),
    "BucketName": BUCKET,
    "Concurrency": "5",
    "ToleratedFailurePercentage": "100",
    "BatchShardSize": "150",
    "BatchPollSeconds": "300",
}
"""The values of both definitions' ``${names}``; the numbers are the template's defaults."""


def definition_text(name: str) -> str:
    """Return the file of a definition."""
    return (DEFINITIONS / f"{name}.asl.yaml").read_text("utf-8")


def definition_of(text: str, substitutions: Mapping[str, str]) -> dict[str, Any]:
    """Return a definition with its ``${names}`` substituted, in the text before it is parsed, as CloudFormation does.

    Raises KeyError for a name without a substitution.
    """
    substituted = re.sub(r"\$\{(\w+)\}", lambda found: substitutions[found[1]], text)
    definition: dict[str, Any] = yaml.safe_load(substituted)
    return definition


class StateMachines:
    """State machines in an account on this machine, until the context ends."""

    def __init__(
        self,
        account: Account,
        functions: Mapping[str, Function],
        *,
        sleep: Callable[[float], None] = time.sleep,
        wait: Callable[[float], None] | None = None,
    ) -> None:
        """functions: for the Lambda tasks, by name. sleep: waits before a retry.

        wait: waits in a Wait state; default: ``sleep``.
        """
        session = account.session()
        self.map_run = MapRun(account.s3())
        self._filled = filled({**functions, MAP_RUN: self.map_run}, sleep, wait or sleep)
        self.client: SFNClient = session.client("stepfunctions", endpoint_url=account.endpoint)

    def __enter__(self) -> Self:
        self._filled.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._filled.__exit__(kind, error, traceback)

    def create(self, name: str, definition: str, substitutions: Mapping[str, str]) -> str:
        """Create a state machine from the text of its definition (YAML or JSON) and return its ARN."""
        text = json.dumps(without_maps(definition_of(definition, substitutions)))
        return self.client.create_state_machine(name=name, definition=text, roleArn=ROLE)["stateMachineArn"]
