"""The API function over S3 and Step Functions in memory. Its clock moves only when the function sleeps."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import StringIO
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

from generate_image.errors import GenerateImageError
from generate_image.event import ImageRequest, image_id, request_hash
from generate_image.functions import api
from generate_image.functions._runtime import Environment, with_boundary
from generate_image.http.response import problem_response
from generate_image.log import Log
from generate_image.picture import BoughtPicture, StoredPicture, object_key
from generate_image.record import Record, Status
from generate_image.settings import Settings
from tests.contract import assert_in_contract
from tests.memory_s3 import MemoryS3, client_error
from tests.step_functions import MACHINE, MemoryStepFunctions

BUCKET = "pictures"
SETTINGS = {
    "IMAGE_BUCKET": BUCKET,
    "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11",
    "STATE_MACHINE_ARN": MACHINE,
    "API_AUTHORIZATION": "none",
    "CLOUDFRONT_DOMAIN": "d111111abcdef8.cloudfront.net",
}
PROMPT = "Un faro al atardecer"
PICTURE = BoughtPicture("gpt-image-2", "req_1")
ROUTES = {
    ("POST", "images"): "POST /clients/{client_id}/images",
    ("GET", "images"): "GET /clients/{client_id}/images/{image_id}",
    ("GET", "budget"): "GET /clients/{client_id}/budget",
}
"""By method and third part of the path."""


class Clock:
    """Seconds since the epoch. A sleep passes at once, with the actions that were planned for that time."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self._planned: list[tuple[float, Callable[[], object]]] = []

    def __call__(self) -> float:
        return self.now

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        self._planned.append((self.now + seconds, action))
        self._planned.sort(key=lambda planned: planned[0])

    def sleep(self, seconds: float) -> None:
        end = self.now + seconds
        while self._planned and self._planned[0][0] <= end:
            self.now, action = self._planned.pop(0)
            action()
        self.now = end


class CountingS3(MemoryS3):
    """failing: every read of a record fails. reads: their number."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.failing = False
        self.reads = 0

    def get_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  # boto3's
        self.reads += 1
        if self.failing:
            raise client_error("SlowDown", 503, "GetObject")
        return super().get_object(**parameters)


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: Any


class World:
    def __init__(self, **settings: str) -> None:
        self.clock = Clock()
        self.s3 = CountingS3(self.clock)
        self.step_functions = MemoryStepFunctions(self.clock)
        self.log = StringIO()
        self.restart(**settings)

    def restart(self, **settings: str) -> None:
        """Start a new execution environment."""
        self.settings = Settings.from_mapping(SETTINGS | settings)
        environment = Environment(
            settings=self.settings,
            log=Log(f"api-{id(self)}", self.log),  # loggers of one name share their keys
            clients=SimpleNamespace(s3=self.s3, secrets_manager=None, step_functions=self.step_functions),
            clock=self.clock,
            sleep=self.clock.sleep,
        )
        self.invoke = with_boundary(api.build(environment), environment, problem_response)

    def call(self, event: Mapping[str, Any], *, seconds: float = 30) -> Response:
        """Invoke the function. seconds: the invocation's timeout."""
        ends = self.clock.now + seconds
        context = SimpleNamespace(
            aws_request_id="an-invocation",
            client_context=None,
            get_remaining_time_in_millis=lambda: round((ends - self.clock.now) * 1000),
        )
        response = self.invoke(event, context)
        status, headers, body = response["statusCode"], response["headers"], response["body"]
        if event.get("routeKey") in ROUTES.values():
            method = event["routeKey"].split(" ")[0]
            assert_in_contract(method, event["rawPath"], status, headers, body)
        return Response(status, headers, json.loads(body))

    def post(
        self,
        prompt: str = PROMPT,
        *,
        key: str | None = "order-1",
        prefer: str = "",
        seconds: float = 30,
        **body: object,
    ) -> Response:
        headers = {"content-type": "application/json", "prefer": prefer}
        if key is not None:
            headers["idempotency-key"] = key
        content = {"config": {"credentials_id": "openai", "prompt": prompt}, **body}
        return self.call(event("POST", "/clients/1/images", headers, json.dumps(content)), seconds=seconds)

    def get(self, image_id: str | None = None, *, client: str = "1") -> Response:
        return self.call(event("GET", f"/clients/{client}/images/{image_id or self.image_id()}"))

    def image_id(self, key: str = "order-1", client: str = "1") -> str:
        return image_id(ImageRequest(client, "openai", "", "", key), self.settings)

    def record(self, status: Status, *, prompt: str = PROMPT, lease_left: float = -100, **fields: Any) -> Record:  # noqa: ANN401
        """Return a record of order-1. lease_left: seconds."""
        return Record(
            status=status,
            client_id="1",
            image_id=self.image_id(),
            request_hash=request_hash(ImageRequest("1", "openai", prompt, "", "order-1"), self.settings),
            holder="another invocation",
            lease_until=self.clock.now + lease_left,
            prompt=prompt,
            **fields,
        )

    def save(self, record: Record) -> Record:
        """Store a record as the generate function does."""
        self.s3.put_object(Bucket=BUCKET, Key=record.key, Body=record.to_json(), ContentType="application/json")
        return record

    def store_picture(self, *, request_hash: str | None = None) -> StoredPicture:
        """Store the picture of order-1, for a request with this hash."""
        key = object_key("1", self.image_id(), ".png")
        metadata = {"request-hash": request_hash or self.record(Status.STARTED).request_hash, "model": "gpt-image-2"}
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=b"picture", ContentType="image/png", Metadata=metadata)
        return StoredPicture(key, "image/png", self.clock.now)

    def save_stored(self) -> Record:
        """Store the picture of order-1 and its record."""
        return self.save(self.record(Status.STORED, bought=PICTURE, stored=self.store_picture()))

    def end_execution(self, attempt: int, error: GenerateImageError | None = None) -> None:
        """End an attempt of order-1."""
        name = self.execution_name(attempt)
        if error is None:
            self.step_functions.end(name)
        else:
            self.step_functions.end(name, "FAILED", error.code, json.dumps({"errorMessage": str(error)}))

    def fail_every_start(self, error: GenerateImageError) -> None:
        """End every execution with an error as soon as it starts."""
        cause = json.dumps({"errorMessage": str(error)})
        self.step_functions.on_start = lambda name: self.step_functions.end(name, "FAILED", error.code, cause)

    def execution_name(self, attempt: int) -> str:
        return self.image_id() if attempt == 1 else f"{self.image_id()}-{attempt}"


def event(
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
    *,
    authorizer: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return API Gateway's event, version 2.0, for a path of the contract."""
    parts = path.split("/")
    names = ("client_id", "image_id")
    return {
        "version": "2.0",
        "routeKey": ROUTES.get((method, "".join(parts[3:4])), "$default"),
        "rawPath": path,
        "headers": dict(headers or {}),
        "pathParameters": dict(zip(names, map(unquote, parts[2::2]), strict=False)),
        "requestContext": {"requestId": "JKJaXmPLvHcESHA=", **({"authorizer": authorizer} if authorizer else {})},
        "body": body,
        "isBase64Encoded": False,
    }
