"""The built artifact with AWS's runtime interface emulator and client, on the runtime's own Python version."""

import json
import re
import sys
from pathlib import Path

import pytest

from local.account import Account
from local.emulator import ROOT
from local.gateway import Gateway
from local.openai_stand_in import StandIn
from tests.artifact.conftest import Environments
from tests.contract import CONTRACT
from tests.events import event_for, read_event
from tests.module import fetch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="AWS's emulator is a program for Linux"),
]

PNG = b"\x89PNG\r\n\x1a\n"


def test_generate_function_buys_once_in_two_environments(
    environments: Environments, stand_in: StandIn, tmp_path: Path
) -> None:
    event = read_event("with-key")
    first, second = (environments.new(tmp_path / f"{number}.log") for number in range(2))

    bought, replayed = first.invoke(event), second.invoke(event)
    too_large = first.invoke(event_for("x", data={"prompt_image": "x", "large": "x" * 5_000}), answer_bytes=20_000)

    assert (bought["_meta_"]["replayed"], replayed["_meta_"]["replayed"]) == (False, True)
    assert bought["data"]["localPath"] == replayed["data"]["localPath"]
    assert fetch(replayed["data"]["urlPath"]).startswith(PNG)
    assert (too_large["errorType"], "20000 bytes" in too_large["errorMessage"]) == ("InvalidRequestError", True)
    assert stand_in.ledger()["requests"] == stand_in.ledger()["billed"] == 1
    for emulator in (first, second):
        assert emulator.log.count("INIT START") == 1
        assert stand_in.api_key not in emulator.log
        assert bought["_meta_"]["prompt"] not in emulator.log


def test_api_function_starts_an_execution_and_reports_it(
    environments: Environments, account: Account, tmp_path: Path
) -> None:
    step_functions = account.session().client("stepfunctions", endpoint_url=account.endpoint)
    machine = step_functions.create_state_machine(
        name="machine",
        definition=json.dumps({"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}}),
        roleArn="arn:aws:iam::123456789012:role/machine",
    )["stateMachineArn"]
    api = environments.new(tmp_path / "log", "ApiFunction", STATE_MACHINE_ARN=machine, API_AUTHORIZATION="none")
    gateway = Gateway(CONTRACT, lambda event, _: event)
    headers = {"Content-Type": "application/json", "Prefer": "respond-async"}
    body = json.dumps({"config": event_for("a lighthouse")["config"]}).encode()

    created = api.invoke(gateway.event("POST", "/clients/1/images", headers, body))
    image_id = json.loads(created["body"])["image_id"]
    status = api.invoke(gateway.event("GET", f"/clients/1/images/{image_id}", {}, b""))

    started = step_functions.list_executions(stateMachineArn=machine)["executions"]
    assert [execution["name"] for execution in started] == [image_id]
    assert (created["statusCode"], status["statusCode"]) == (202, 202)


def test_model_watch_and_count_results_functions_work(environments: Environments, tmp_path: Path) -> None:
    watch = environments.new(tmp_path / "watch.log", "ModelWatchFunction", IMAGE_MODELS="gpt-image-2")
    count = environments.new(tmp_path / "count.log", "CountResultsFunction")

    assert watch.invoke({"credential": "shared/credencial-openai"}).keys() == {"gpt-image-2"}
    assert count.invoke({"name": "batch-1"})["asked"] == 0


def test_deadline_ends_a_purchase_before_lambda_does(
    environments: Environments, stand_in: StandIn, tmp_path: Path
) -> None:
    emulator = environments.new(tmp_path / "log", seconds=32)  # 22 are kept for storing and as a margin
    stand_in.script("delay", delay=60)

    assert emulator.invoke(event_for("A lighthouse"))["errorType"] == "OutcomeUnknownError"
    assert "data" in emulator.invoke(event_for("A lighthouse at dusk"))
    assert "Task timed out" not in emulator.log


def test_function_imports_only_the_compiled_artifact(
    environments: Environments, artifact: Path, tmp_path: Path
) -> None:
    emulator = environments.new(tmp_path / "log", PYTHONVERBOSE="1")
    emulator.invoke(read_event("direct"))

    loaded = [Path(name) for name in re.findall(r"^# code object from '?([^'\n]+)'?$", emulator.log, re.MULTILINE)]
    ours = [path for path in loaded if path.is_relative_to(artifact)]
    others = [path for path in loaded if path not in ours]

    assert {path.suffix for path in ours} == {".pyc"}
    packages = {path.relative_to(artifact).parts[0] for path in ours}
    assert {"generate_image", "botocore", "requests", "aws_lambda_powertools"} <= packages
    installed = {path.parts[path.parts.index("site-packages") + 1] for path in others if "site-packages" in path.parts}
    assert installed <= {"awslambdaric", "simplejson", "__pycache__"}
    assert not any(path.is_relative_to(ROOT / "src") for path in others)
