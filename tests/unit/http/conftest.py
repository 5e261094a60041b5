"""The API function over S3 and Step Functions in memory. Its clock moves only when the function sleeps."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import StringIO
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from generate_image.errors import ContentRejectedError, CredentialsError, GenerateImageError, OutcomeUnknownError
from generate_image.event import ImageRequest, image_id, request_hash
from generate_image.functions import api
from generate_image.functions._runtime import Environment, with_boundary
from generate_image.http.response import problem_response
from generate_image.log import Log
from generate_image.picture import BoughtPicture, StoredPicture, object_key
from generate_image.record import Record, Status
from generate_image.settings import Settings
from local.gateway import Gateway
from local.lambda_context import LocalContext
from tests.contract import CONTRACT, assert_in_contract
from tests.memory_s3 import Clock, ScriptedS3
from tests.secrets_manager import MemorySecretsManager
from tests.step_functions import MACHINE, MemoryStepFunctions

SETTINGS = {
    "IMAGE_BUCKET": "pictures",
    "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11",
    "STATE_MACHINE_ARN": MACHINE,
    "API_AUTHORIZATION": "none",
    "CLOUDFRONT_DOMAIN": "d111111abcdef8.cloudfront.net",
}
PROMPT = "Un faro al atardecer"
IMAGES = "/clients/1/images"
GATEWAY = Gateway(CONTRACT, lambda _event, _context: None)
BOUGHT = BoughtPicture("gpt-image-2", "req_1", source_url="https://provider.example/x.png")

NO_SECRET = CredentialsError("There is no such secret.")
REJECTED = ContentRejectedError("No.", categories=["violence"])
UNKNOWN = OutcomeUnknownError("It may be billed.")


class PlannedClock(Clock):
    """A sleep passes at once, with the actions that were planned for that time."""

    def __init__(self) -> None:
        super().__init__()
        self._planned: list[tuple[float, Callable[[], object]]] = []

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        self._planned.append((self.now + seconds, action))
        self._planned.sort(key=lambda planned: planned[0])

    def sleep(self, seconds: float) -> None:
        end = self.now + seconds
        while self._planned and self._planned[0][0] <= end:
            self.now, action = self._planned.pop(0)
            action()
        self.now = end


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> tuple[int, str | None]:
        return self.status, self.body.get("code")

    @property
    def fields(self) -> list[str]:
        return [error["field"] for error in self.body["errors"]]


class World:
    """It is 15 January 2027. The requests are those of order-1, of client 1. timeout: seconds of an invocation."""

    def __init__(self) -> None:
        self.clock = PlannedClock()
        self.s3 = ScriptedS3(self.clock)
        self.step_functions = MemoryStepFunctions(self.clock)
        self.log = StringIO()
        self.timeout = 30.0
        self.restart()

    def restart(self, **settings: str) -> None:
        """Start a new execution environment."""
        self.settings = Settings.from_mapping(SETTINGS | settings)
        secrets = MemorySecretsManager()
        clients = SimpleNamespace(s3=self.s3, secrets_manager=secrets, step_functions=self.step_functions)
        environment = Environment(
            settings=self.settings,
            log=Log(f"api-{uuid4()}", self.log),  # loggers of one name share their keys
            clients=clients,
            clock=self.clock,
            sleep=self.clock.sleep,
        )
        self.invoke = with_boundary(api.build(environment), environment, problem_response)

    def call(self, event: Mapping[str, Any]) -> Response:
        response = self.invoke(event, LocalContext(self.timeout))
        status, headers, body = response["statusCode"], response["headers"], response["body"]
        assert_in_contract(event["routeKey"].split()[0], event["rawPath"], status, headers, body)
        return Response(status, headers, json.loads(body))

    def post(self, prompt: str = PROMPT, *, key: str | None = "order-1", prefer: str = "", **body: object) -> Response:
        headers = {"content-type": "application/json", "prefer": prefer}
        if key is not None:
            headers["idempotency-key"] = key
        content = {"config": {"credentials_id": "openai", "prompt": prompt}, **body}
        return self.call(event("POST", IMAGES, headers, json.dumps(content)))

    def start(self, **body: Any) -> Response:  # noqa: ANN401  # JSON
        """Send the request without a wait."""
        return self.post(prefer="respond-async", **body)

    def get(self) -> Response:
        return self.call(event("GET", f"{IMAGES}/{self.image_id()}"))

    def image_id(self) -> str:
        return image_id(ImageRequest("1", "openai", "", "", "order-1"), self.settings)

    def save(self, status: Status, *, prompt: str = PROMPT, lease_left: float = -100, **fields: Any) -> Record:  # noqa: ANN401
        """Store a record as the generate function does. lease_left: seconds."""
        record = Record(
            status=status,
            client_id="1",
            image_id=self.image_id(),
            request_hash=request_hash(ImageRequest("1", "openai", prompt, "", "order-1"), self.settings),
            holder="another invocation",
            lease_until=self.clock.now + lease_left,
            prompt=prompt,
            **fields,
        )
        self.s3.put_object(Bucket="", Key=record.key, Body=record.to_json(), ContentType="application/json")
        return record

    def save_stored(self) -> StoredPicture:
        """Store the picture and its record."""
        stored = StoredPicture(object_key("1", self.image_id(), ".png"), "image/png", self.clock.now)
        record = self.save(Status.STORED, bought=BOUGHT, stored=stored)
        metadata = {"request-hash": record.request_hash, "model": "gpt-image-2"}
        self.s3.put_object(Bucket="", Key=stored.key, Body=b"", ContentType="image/png", Metadata=metadata)
        return stored

    def execute(self, attempt: int, error: GenerateImageError | None = None) -> None:
        """Start an attempt; with an error, it fails at once."""
        name = self.image_id() if attempt == 1 else f"{self.image_id()}-{attempt}"
        arn = self.settings.state_machine_arn
        self.step_functions.start_execution(stateMachineArn=arn, name=name, input='{"client_id": "1"}')
        if error:
            self.fail(name, error)

    def fail(self, name: str, error: GenerateImageError) -> None:
        """End an execution with an error."""
        self.step_functions.end(name, "FAILED", error.code, json.dumps({"errorMessage": str(error)}))

    def fail_every_start(self, error: GenerateImageError) -> None:
        self.step_functions.on_start = lambda name: self.fail(name, error)


@pytest.fixture
def world() -> World:
    return World()


def event(method: str, path: str, headers: Mapping[str, str] | None = None, body: str = "") -> dict[str, Any]:
    """Return API Gateway's event, version 2.0."""
    return GATEWAY.event(method, path, headers or {}, body.encode())
