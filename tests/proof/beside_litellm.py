"""`PYTHONPATH=src python -m tests.proof.beside_litellm PYTHON`: fifty callers at once under one budget.

PYTHON: an interpreter with ``litellm[proxy]``. LiteLLM and this module buy from the same stand-in, under the budget of
ten pictures at this module's price bound.
"""

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from threading import Barrier, Lock
from types import SimpleNamespace
from typing import Any, cast

from generate_image.errors import BudgetExceededError
from generate_image.functions import generate_image
from generate_image.functions._runtime import AwsClients, Environment, with_boundary
from generate_image.log import Log
from generate_image.money import MicroUsd, to_usd
from generate_image.options import NO_OPTIONS
from generate_image.provider.models import largest_cost_of
from generate_image.settings import Settings
from local.lambda_context import LocalContext
from local.openai_stand_in import StandIn
from tests.events import event_for
from tests.memory_s3 import MemoryS3

CALLERS = 50
PICTURES = 10
PROMPT = "A lighthouse"
LITELLM = Path(__file__).with_name("litellm_callers.py")
DRAWING_SECONDS = 2.0
MODELS = ("gpt-image-2", "gpt-image-2.5-flare")


class AtomicS3(MemoryS3):
    """S3 whose conditional writes come one after the other."""

    def __init__(self) -> None:
        super().__init__(lambda: 1_800_000_000.0)
        self._lock = Lock()

    def put_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  # boto3's
        with self._lock:
            return super().put_object(**parameters)


class OneSecret:
    """A Secrets Manager client with one credential for all names."""

    def __init__(self, api_key: str) -> None:
        self._text = json.dumps({"apiKey": api_key})

    def get_secret_value(self, **_: object) -> dict[str, str]:
        return {"SecretString": self._text}


def buy_with_ours(stand_in: StandIn, model: str, budget: str) -> str:
    """Return the outcomes of this module's callers."""
    s3, barrier = AtomicS3(), Barrier(CALLERS)
    settings = Settings.from_mapping(
        {
            "IMAGE_BUCKET": "bucket",
            "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11",
            "IMAGE_MODELS": model,
            "OPENAI_BASE_URL": stand_in.base_url,
            "MONTHLY_BUDGET_USD": budget,
        }
    )

    def call(number: int) -> str:
        environment = Environment(
            settings=settings,
            log=Log(f"caller {number}", StringIO()),
            clients=cast("AwsClients", SimpleNamespace(s3=s3, secrets_manager=OneSecret(stand_in.api_key))),
        )
        function = with_boundary(generate_image.build(environment), environment)
        barrier.wait()
        try:
            function(event_for(PROMPT, idempotency_key=f"key {number}"), LocalContext())
        except BudgetExceededError as error:
            return error.code
        return "picture"

    with redirect_stdout(StringIO()), ThreadPoolExecutor(CALLERS) as callers:
        return str(dict(Counter(callers.map(call, range(CALLERS)))))


def buy_with_litellm(python: str, stand_in: StandIn, model: str, budget: str) -> str:
    """Return the output of ``litellm_callers.py``."""
    arguments = (stand_in.base_url, stand_in.api_key, model, budget, str(CALLERS))
    return subprocess.run([python, LITELLM, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def main(python: str) -> None:
    """Print the bill of each."""
    for model in MODELS:
        bound = largest_cost_of(model, PROMPT, "medium", NO_OPTIONS, MicroUsd(0))
        budget = f"{to_usd(MicroUsd(PICTURES * (bound or 0))):.6f}"
        for name, buy in (("ours", buy_with_ours), ("litellm", partial(buy_with_litellm, python))):
            with StandIn(latency=DRAWING_SECONDS) as stand_in:
                outcome = buy(stand_in, model, budget)
                ledger = stand_in.ledger()
            print(f"{model}, budget {budget}: {name} {outcome}: {ledger['billed']} billed, {ledger['usd']:.4f} USD")  # noqa: T201  # the measurement


if __name__ == "__main__":
    main(sys.argv[1])
