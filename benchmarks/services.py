"""The world around a function: the account and the provider, each in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import requests

from benchmarks.artifacts import ROOT
from local.account import BUCKET, Account

MODEL = "gpt-image-2"
MODEL_BY_URL = "dall-e-3"
API_KEY = "sk-stand-in"
OWNER = "cli_1"


@dataclass(frozen=True, slots=True)
class Services:
    """Addresses, and what can be told to what listens there."""

    account: Account
    provider: str

    @property
    def environ(self) -> dict[str, str]:
        """Return the environment of a function in this world."""
        return {
            **self.account.aws_environ,
            **self.account.settings,
            "AWS_REGION": self.account.aws_environ["AWS_DEFAULT_REGION"],
            "OPENAI_BASE_URL": f"{self.provider}/v1",
            "IMAGE_MODELS": MODEL,
            "IMAGE_QUALITY": "medium",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else each import of LiteLLM asks GitHub for prices
        }

    def reset(self, **settings: object) -> None:
        """Empty the account, forget the ledger and the faults, and give the provider these settings."""
        self.account.empty()
        self.account.create_bucket()
        self.account.create_secret({"apiKey": API_KEY}, owner=OWNER)
        self.fail_s3(rate=0, requests_each=0)
        requests.delete(f"{self.provider}/_stand_in", timeout=60).raise_for_status()
        self.set_provider(dall_e_3=True, **settings)

    def set_provider(self, **settings: object) -> None:
        """Change settings of the stand-in, such as latency and picture_bytes."""
        requests.post(f"{self.provider}/_stand_in/settings", json=settings, timeout=60).raise_for_status()

    def fail_provider(self, rules: Sequence[Mapping[str, object]]) -> None:
        """Queue faults of the stand-in."""
        requests.post(f"{self.provider}/_stand_in/faults", json=rules, timeout=60).raise_for_status()

    def ledger(self) -> dict[str, Any]:
        """Return what the provider was asked for and billed."""
        ledger: dict[str, Any] = requests.get(f"{self.provider}/_stand_in/ledger", timeout=60).json()
        return ledger

    def fail_s3(self, *, rate: float, requests_each: int, seed: int = 1) -> None:
        """Let S3 refuse that share of the keys, each for its first so many writes; and count from zero."""
        fault = {"rate": rate, "requests": requests_each, "seed": seed}
        requests.post(f"{self.account.endpoint}/_benchmark", json=fault, timeout=60).raise_for_status()
        requests.delete(f"{self.account.endpoint}/_benchmark", timeout=60).raise_for_status()

    def s3_requests(self) -> dict[str, int]:
        """Return the requests for pictures and records since the last reset, such as ``{"PUT picture": 1}``."""
        counts: dict[str, int] = requests.get(f"{self.account.endpoint}/_benchmark", timeout=60).json()
        return counts

    def keys(self) -> set[str]:
        """Return the keys of everything in the bucket."""
        client = boto3.client("s3", endpoint_url=self.account.endpoint, **_OWNER)
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {item["Key"] for page in pages for item in page.get("Contents", [])}


_OWNER: Any = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "us-east-1"}


@contextmanager
def services() -> Iterator[Services]:
    """Run both processes for as long as the context lasts."""
    with ExitStack() as stack:
        endpoint = stack.enter_context(_process("benchmarks.aws_process"))
        provider = stack.enter_context(_process("benchmarks.provider_process"))
        world = Services(Account(endpoint), provider)
        world.reset()
        yield world


@contextmanager
def _process(module: str) -> Iterator[str]:
    """Run a module; gives the first line that it prints."""
    command = [sys.executable, "-m", module]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline().strip()
            if not line:
                raise RuntimeError(f"{module} did not start.")
            yield line
        finally:
            process.terminate()
