"""An execution that failed before anything was bought leaves the key free, though its name is taken for 90 days."""

import json

import pytest

from generate_image.deadline import Deadline
from generate_image.errors import CredentialsError, QuotaExhaustedError
from generate_image.executions import Executions
from local.account import Account
from local.http_api import gateway
from local.lambda_context import LocalContext
from local.state_machines import StateMachines
from tests.api.conftest import Start
from tests.api.http_client import HttpClient

ENDS_AT_ONCE = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Fail", "Error": "StorageError"}}})


def test_a_key_whose_executions_failed_before_a_claim_may_be_used_again(start_api: Start) -> None:
    errors = [*[CredentialsError("There is no such secret.")] * 4, QuotaExhaustedError("No money is left.")]
    left = iter(errors)

    def buys(_event: object, _context: LocalContext) -> None:
        raise next(left)

    api = start_api(buys=buys)

    told = [api.post(key="order-1").body["code"] for _ in errors]

    assert told == [error.code for error in errors]
    assert api.get(api.image_id("order-1")).body["code"] == "QuotaExhaustedError"
    assert api.attempts(api.image_id("order-1")) == 5


def test_a_key_that_bought_nothing_may_be_used_again_once_the_cause_is_gone(api: HttpClient) -> None:
    api.stand_in.script("insufficient_quota")

    refused = api.post(key="order-1")
    looked = api.get(api.image_id("order-1"))
    bought = api.post(key="order-1")

    for answer in (refused, looked):
        assert (answer.status, answer.body["code"]) == (503, "QuotaExhaustedError")
        assert answer.body["retryable"] is False
    assert bought.status == 200
    assert api.billed() == 1


def test_what_passes_is_waited_out_by_the_machine(api: HttpClient) -> None:
    api.stand_in.script("server_error", times=4)

    answer = api.post(key="order-1")

    assert answer.status == 200
    assert api.attempts(answer.image_id) == 1
    assert api.billed() == 1


def test_moderation_s_categories_are_told(api: HttpClient) -> None:
    api.stand_in.script("moderation_blocked")

    answer = api.post(key="order-1")

    assert (answer.status, answer.body["code"]) == (422, "ContentRejectedError")
    assert answer.body["categories"]
    assert api.post(key="order-1").body == answer.body


@pytest.mark.parametrize("attempts", range(9))
def test_the_latest_attempt_is_found(account: Account, attempts: int) -> None:
    with StateMachines(account, {}) as machines:
        executions = Executions(machines.client, machines.create("ends-at-once", ENDS_AT_ONCE, {}))
        deadline = Deadline(60, lambda: 0)
        for attempt in range(1, attempts + 1):
            executions.start("an-id", attempt, json.dumps({"client_id": "1"}), deadline)

        latest = executions.latest("1", "an-id", deadline)
        others = executions.latest("2", "an-id", deadline)

        assert (latest.attempt if latest else 0) == attempts
        assert others is None


def test_a_start_that_another_call_got_ahead_of_is_told(account: Account) -> None:
    with StateMachines(account, {}) as machines:
        executions = Executions(machines.client, machines.create("ends-at-once", ENDS_AT_ONCE, {}))
        deadline = Deadline(60, lambda: 0)

        assert executions.start("an-id", 1, '{"client_id": "1"}', deadline) is True
        assert executions.start("an-id", 1, '{"client_id": "1", "nextModule": "x"}', deadline) is False


def test_a_state_machine_that_is_not_there_is_the_operator_s_matter(start_api: Start) -> None:
    api = start_api()
    arn = "arn:aws:states:us-east-1:123456789012:stateMachine:missing"
    api.gateway = gateway(api.account, api.account.settings | {"STATE_MACHINE_ARN": arn}, api.log)

    answer = api.post(key="order-1")

    assert (answer.status, answer.body["code"], answer.body["retryable"]) == (500, "ConfigurationError", False)


def test_an_account_that_does_not_answer_is_a_matter_of_time(start_api: Start) -> None:
    api = start_api()
    arn = "arn:aws:states:us-east-1:123456789012:stateMachine:any"
    nowhere = Account("http://127.0.0.1:1")
    api.gateway = gateway(nowhere, nowhere.settings | {"STATE_MACHINE_ARN": arn}, api.log)

    for answer in (api.post(key="order-1"), api.get(api.image_id("order-1"))):
        assert (answer.status, answer.body["code"], answer.body["retryable"]) == (503, "StorageError", True)
        assert int(answer.headers["Retry-After"]) >= 1
