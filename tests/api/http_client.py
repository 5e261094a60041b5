"""A caller of the API in this process: every answer is held against the contract, and no log line may tell a prompt."""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

import yaml
from openapi_schema_validator import OAS30Validator

from generate_image.identity import image_id, request_hash
from generate_image.records import Record, Status
from generate_image.request import ImageRequest
from generate_image.settings import Settings
from local.account import BUCKET, CREDENTIALS_ID, Account
from local.gateway import Gateway, Response
from local.http_api import ROOT
from local.lambda_context import LocalContext
from local.openai_stand_in import StandIn

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONTRACT: dict[str, Any] = yaml.safe_load((ROOT / "openapi.yaml").read_text("utf-8"))
PROBLEM = "application/problem+json"
PROMPT = "Un faro al atardecer"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def image_id(self) -> str:
        """The picture that a 200 or a 202 is about."""
        found: str = self.body.get("image_id") or self.body["_meta_"]["image_id"]
        return found

    @property
    def link(self) -> str:
        url: str = self.body["data"]["urlPath"]
        return url


def resolved(value: Any) -> Any:  # noqa: ANN401  # a part of the contract
    """Return a part of the contract with its references put in."""
    if isinstance(value, list):
        return [resolved(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        found = CONTRACT
        for name in value["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        return resolved(found)
    return {name: resolved(item) for name, item in value.items()}


def assert_in_contract(method: str, path: str, response: Response) -> None:
    """See that the contract describes an answer of one of its routes: status, type, headers and body."""
    for template, operations in CONTRACT["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) and method.lower() in operations:
            described = resolved(operations[method.lower()]["responses"][str(response.status)])
            break
    else:
        return
    content = described["content"][response.headers["Content-Type"]]
    OAS30Validator(content["schema"]).validate(json.loads(response.body))
    for name, header in described.get("headers", {}).items():
        value = response.headers.get(name)
        if value is None:
            assert not header.get("required"), name
        else:
            typed = int(value) if header["schema"]["type"] == "integer" else value
            OAS30Validator(header["schema"]).validate(typed)


class HttpClient:
    """Sends requests to a gateway."""

    def __init__(self, gateway: Gateway, account: Account, stand_in: StandIn, log: StringIO) -> None:
        self.gateway = gateway
        self.account = account
        self.stand_in = stand_in
        self.s3: S3Client = account.session().client("s3", endpoint_url=account.endpoint)
        self.settings = Settings.from_mapping(account.settings)
        self.log = log
        self.secrets = {stand_in.api_key}

    def send(
        self,
        method: str,
        path: str,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        claims: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request; claims: those of a token that API Gateway checked."""
        if claims is None:
            response = self.gateway.answer(method, path, headers or {}, content)
        else:
            event = self.gateway.event(method, path, headers or {}, content)
            event["requestContext"]["authorizer"] = {"jwt": {"claims": dict(claims), "scopes": None}}
            told = self.gateway.function(event, LocalContext(30))
            response = Response(told["statusCode"], told["headers"], told["body"].encode())
        assert_in_contract(method, path, response)
        return Answer(response.status, response.headers, json.loads(response.body))

    def post(
        self,
        prompt: str = PROMPT,
        *,
        client: str = "1",
        key: str | None = None,
        prefer: str | None = None,
        claims: Mapping[str, str] | None = None,
        **body: object,
    ) -> Answer:
        """Order a picture."""
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        if prefer is not None:
            headers["Prefer"] = prefer
        event = {"config": {"credentials_id": CREDENTIALS_ID, "prompt": prompt}, **body}
        self.secrets.add(prompt)
        return self.send("POST", f"/clients/{client}/images", json.dumps(event).encode(), headers, claims=claims)

    def get(self, image_id: str, *, client: str = "1", claims: Mapping[str, str] | None = None) -> Answer:
        """Look what has become of a picture."""
        return self.send("GET", f"/clients/{client}/images/{image_id}", claims=claims)

    def wait_for(self, image_id: str, *, client: str = "1") -> Answer:
        """Poll until the answer is no 202."""
        for _ in range(300):
            answer = self.get(image_id, client=client)
            if answer.status != 202:
                return answer
            time.sleep(0.1)
        raise AssertionError("The picture is still pending.")

    def image_id(self, key: str, *, client: str = "1") -> str:
        """Return the id of the picture that a client's key stands for."""
        return image_id(self._request(key, client, ""), self.settings)

    def leave_record(
        self,
        key: str,
        status: Status,
        *,
        client: str = "1",
        prompt: str = PROMPT,
        held: bool = False,
        **fields: Any,  # noqa: ANN401  # the record's own
    ) -> Record:
        """Lay a record into the bucket as a call that ended, or that still holds it, would leave it."""
        request = self._request(key, client, prompt)
        record = Record(
            status=status,
            client_id=client,
            image_id=image_id(request, self.settings),
            request_hash=request_hash(request, self.settings),
            claimant="another call",
            until=time.time() + (300 if held else -300),
            asked={"prompt": prompt},
            **fields,
        )
        self.s3.put_object(Bucket=BUCKET, Key=record.key, Body=record.to_json())
        return record

    def attempts(self, image_id: str) -> int:
        """Return how many executions there were for a picture."""
        step_functions = self.account.session().client("stepfunctions", endpoint_url=self.account.endpoint)
        names = [
            execution["name"]
            for machine in step_functions.list_state_machines()["stateMachines"]
            for execution in step_functions.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]
        ]
        return sum(name.startswith(image_id) for name in names)

    @staticmethod
    def _request(key: str, client: str, prompt: str) -> ImageRequest:
        return ImageRequest(client_id=client, credentials_id=CREDENTIALS_ID, prompt=prompt, idempotency_key=key)

    def billed(self) -> int:
        """Return how many pictures the provider was paid for."""
        billed: int = self.stand_in.ledger()["billed"]
        return billed

    def assert_nothing_leaked(self, metrics: str) -> None:
        """See that no line of the log or of the metrics holds the key or a prompt."""
        logged = self.log.getvalue() + metrics
        for secret in self.secrets:
            assert secret not in logged
            assert json.dumps(secret)[1:-1] not in logged
