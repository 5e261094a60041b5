"""The changes to moto are undone, and AWS's schema accepts the definitions that moto runs."""

import json
import subprocess
from pathlib import Path
from random import Random

import pytest
from moto.stepfunctions.parser.asl.component.common.retry import jitter_strategy_decl, retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils

from local.account import Account
from local.state_machines import (
    GENERATE_IMAGE,
    GENERATE_IMAGES_BATCH,
    SUBSTITUTIONS,
    StateMachines,
    definition_of,
    definition_text,
)

CFN_LINT = Path(__file__).parents[2] / ".venv-sam/bin/cfn-lint"


def changed_parts() -> tuple[object, ...]:
    return (
        vars(retrier_decl)["time"],
        vars(jitter_strategy_decl)["random"],
        lambda_eval_utils._invoke_lambda_function,
    )


def test_moto_is_unchanged_after_the_machines_are_closed(account: Account) -> None:
    before = changed_parts()

    with StateMachines(account, {}, random=Random(1)):
        assert not set(map(id, before)) & set(map(id, changed_parts()))

    assert changed_parts() == before


@pytest.mark.slow
def test_aws_schema_accepts_the_definitions(tmp_path: Path) -> None:
    """cfn-lint checks a definition only inside a template."""
    template = tmp_path / "template.json"
    machines = {
        name.replace("_", ""): {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "RoleArn": "arn:aws:iam::123456789012:role/states",
                "Definition": definition_of(definition_text(name), SUBSTITUTIONS),
            },
        }
        for name in (GENERATE_IMAGE, GENERATE_IMAGES_BATCH)
    }
    template.write_text(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": machines}))

    checked = subprocess.run([CFN_LINT, template], capture_output=True, text=True, check=False)

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
