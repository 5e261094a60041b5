"""The built artifact under AWS's runtime interface emulator and client, on the runtime's own Python."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from local.account import CREDENTIALS_PREFIX, Account
from local.openai_stand_in import StandIn
from tests.artifact.build import ROOT
from tests.artifact.conftest import Environments
from tests.module import EVENTS, event_for, fetch, read_event

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="AWS's emulator is a program for Linux")

PNG = b"\x89PNG\r\n\x1a\n"
BAD_EVENTS = {
    "client-path": "InvalidRequestError",
    "credentials-path": "InvalidRequestError",
    "credentials-unknown": "CredentialsError",
    "no-prompt": "InvalidRequestError",
    "not-an-object": "InvalidRequestError",
    "several-faults": "InvalidRequestError",
}


def test_every_event_is_answered_with_a_picture_by_one_environment(
    environments: Environments, stand_in: StandIn, tmp_path: Path
) -> None:
    emulator = environments.new(tmp_path / "log")
    paths = sorted(path for path in EVENTS.glob("*.json") if path.stem != "batch")  # which is a list of them
    events = [json.loads(path.read_text("utf-8")) for path in paths]

    answers = [emulator.invoke(event) for event in events]

    for event, answer in zip(events, answers, strict=True):
        assert answer.get("nextModule") == event.get("nextModule")
        assert fetch(answer["data"]["urlPath"]).startswith(PNG)
        assert answer["_meta_"]["prompt"] not in emulator.log
        assert json.dumps(answer["_meta_"]["prompt"])[1:-1] not in emulator.log
    assert stand_in.ledger()["billed"] == len(events)
    assert emulator.log.count("INIT START") == 1
    assert stand_in.api_key not in emulator.log


def test_the_http_api_s_function_starts_an_execution_and_looks_at_it(
    environments: Environments, account: Account, tmp_path: Path
) -> None:
    step_functions = account.session().client("stepfunctions", endpoint_url=account.endpoint)
    machine = step_functions.create_state_machine(
        name="machine",
        definition=json.dumps({"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}}),
        roleArn="arn:aws:iam::123456789012:role/machine",
    )["stateMachineArn"]
    emulator = environments.new(tmp_path / "log", name="ApiFunction", STATE_MACHINE_ARN=machine)
    body = json.dumps({"config": event_for("a lighthouse")["config"]})

    ordered = emulator.invoke(http_event("POST /clients/{client_id}/images", body=body, client_id="1"))
    image_id = json.loads(ordered["body"])["image_id"]
    seen = emulator.invoke(http_event("GET /clients/{client_id}/images/{image_id}", client_id="1", image_id=image_id))

    started = step_functions.list_executions(stateMachineArn=machine)["executions"]
    assert [execution["name"] for execution in started] == [image_id]
    assert (ordered["statusCode"], seen["statusCode"]) == (202, 202)


def http_event(route: str, *, body: str = "", **parameters: str) -> dict[str, Any]:
    """Return what API Gateway sends a function for a request to a route: payload version 2.0."""
    method, _, path = route.partition(" ")
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path.format(**parameters),
        "headers": {"content-type": "application/json", "prefer": "respond-async", "idempotency-key": "order-1"},
        "pathParameters": parameters,
        "requestContext": {"requestId": "request-1", "http": {"method": method, "path": path.format(**parameters)}},
        "body": body,
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize("name", [path.stem for path in sorted(EVENTS.glob("bad/*.json"))])
def test_a_bad_event_is_an_error_by_its_name(
    environments: Environments, stand_in: StandIn, tmp_path: Path, name: str
) -> None:
    answer = environments.new(tmp_path / "log").invoke(read_event(f"bad/{name}"))

    assert answer["errorType"] == BAD_EVENTS[name]
    assert re.search(r"\w+ \w+", answer["errorMessage"])
    assert stand_in.ledger()["requests"] == 0


def test_a_warm_environment_remembers_the_key_and_a_new_one_reads_it(
    environments: Environments, account: Account, tmp_path: Path
) -> None:
    warm = environments.new(tmp_path / "warm.log")
    warm.invoke(event_for("A lighthouse"))
    secrets = account.session().client("secretsmanager", endpoint_url=account.endpoint)
    secrets.delete_secret(SecretId=f"{CREDENTIALS_PREFIX}/shared/credencial-openai", ForceDeleteWithoutRecovery=True)

    remembered = warm.invoke(event_for("A lighthouse at dusk"))
    read = environments.new(tmp_path / "new.log").invoke(event_for("A lighthouse at dawn"))

    assert "data" in remembered
    assert read["errorType"] == "CredentialsError"


def test_another_environment_answers_the_same_key_with_the_same_picture(
    environments: Environments, stand_in: StandIn, tmp_path: Path
) -> None:
    event = read_event("with-key")

    first, second = (environments.new(tmp_path / f"{number}.log").invoke(event) for number in range(2))

    assert (first["_meta_"]["replayed"], second["_meta_"]["replayed"]) == (False, True)
    assert first["data"]["localPath"] == second["data"]["localPath"]
    assert stand_in.ledger()["billed"] == 1


def test_the_client_context_says_how_large_an_answer_may_be(
    environments: Environments, stand_in: StandIn, tmp_path: Path
) -> None:
    emulator = environments.new(tmp_path / "log")

    answer = emulator.invoke(event_for("x", data={"prompt_image": "x", "large": "x" * 5_000}), answer_bytes=20_000)

    assert answer["errorType"] == "InvalidRequestError"
    assert "20000 bytes" in answer["errorMessage"]
    assert stand_in.ledger()["requests"] == 0


def test_a_request_in_flight_at_the_deadline_ends_in_an_error_of_ours_not_in_lambda_s_time_out(
    environments: Environments, stand_in: StandIn, tmp_path: Path
) -> None:
    emulator = environments.new(tmp_path / "log", seconds=29)  # 22 of them are kept for storing, and 6 is the least
    stand_in.script("delay", delay=60)
    event = event_for("A lighthouse", idempotency_key="in flight")

    in_flight, replayed, another = (
        emulator.invoke(event),
        emulator.invoke(event),
        emulator.invoke(event_for("A lighthouse")),
    )

    assert in_flight["errorType"] == "OutcomeUnknownError"
    assert replayed["errorType"] == "OutcomeUnknownError"
    assert stand_in.ledger()["requests"] == 2
    assert "data" in another
    assert "Task timed out" not in emulator.log
    assert emulator.log.count("INIT START") == 1


def test_wrong_settings_are_named(environments: Environments, tmp_path: Path) -> None:
    answer = environments.new(tmp_path / "log", IMAGE_BUCKET="", IMAGE_QUALITY="best").invoke(read_event("direct"))

    assert answer["errorType"] == "ConfigurationError"
    assert "IMAGE_BUCKET" in answer["errorMessage"]
    assert "IMAGE_QUALITY" in answer["errorMessage"]


def test_nothing_but_the_artifact_is_imported_and_nothing_is_compiled(
    environments: Environments, artifact: Path, tmp_path: Path
) -> None:
    emulator = environments.new(tmp_path / "log", PYTHONVERBOSE="1")
    emulator.invoke(read_event("direct"))

    loaded = [Path(name) for name in re.findall(r"^# code object from '?([^'\n]+)'?$", emulator.log, re.MULTILINE)]
    ours = [path for path in loaded if path.is_relative_to(artifact)]
    others = [path for path in loaded if path not in ours]

    assert artifact / "generate_image/__pycache__/handler.cpython-313.pyc" in ours
    assert {path.suffix for path in ours} == {".pyc"}
    packages = {path.relative_to(artifact).parts[0] for path in ours}
    assert {"generate_image", "botocore", "requests", "aws_lambda_powertools"} <= packages
    installed = {path.parts[path.parts.index("site-packages") + 1] for path in others if "site-packages" in path.parts}
    assert installed <= {"awslambdaric", "simplejson", "__pycache__"}
    assert not any(path.is_relative_to(ROOT / "src") for path in others)
