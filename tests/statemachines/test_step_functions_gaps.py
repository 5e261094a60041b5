"""What is changed in moto does what AWS does, and is gone when the machines are."""

import json
from typing import Any

import pytest
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils

from local.account import Account
from local.lambda_context import LocalContext
from local.state_machines import StateMachines, definition_of
from local.step_functions_gaps import Gaps
from tests.statemachines.flow import BATCH, Flow, read_definition


def test_only_the_words_that_moto_lacks_are_rewritten() -> None:
    definition = read_definition(BATCH)
    before = json.dumps(definition)

    rewritten = json.dumps(Gaps.rewrite(definition))

    writer = ', "WriterConfig": {"OutputType": "JSONL", "Transformation": "NONE"}'
    assert before.count(writer) == 3
    assert rewritten == before.replace(writer, "").replace('"InputType": "JSONL"', '"InputType": "JSON"')
    assert json.dumps(definition) == before


def test_a_substitution_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError, match="Bucket"):
        definition_of("Bucket: ${Bucket}", {})


def test_a_number_is_substituted_as_a_number() -> None:
    assert definition_of("Most: ${Most}", {"Most": "7"}) == {"Most": 7}


def test_moto_is_as_it_was_when_the_machines_are_gone(account: Account) -> None:
    before = (vars(retrier_decl)["time"], lambda_eval_utils._invoke_lambda_function)

    with StateMachines(account, {}):
        assert vars(retrier_decl)["time"] is not before[0]
        assert lambda_eval_utils._invoke_lambda_function is not before[1]

    assert (vars(retrier_decl)["time"], lambda_eval_utils._invoke_lambda_function) == before


def test_one_worker_gets_through_more_items_than_python_s_stack_is_deep(flow: Flow) -> None:
    def buy(event: Any, context: LocalContext) -> dict[str, Any]:  # noqa: ANN401  # whatever the machine sends
        del event, context
        return {"_meta_": {"replayed": False}}

    flow.buy = buy
    items = json.dumps([{"data": {"prompt": "A quay"}}] * 1_100)

    assert flow.run_batch("lists/a.json", items, max_concurrency=1).output["bought"] == 1_100
