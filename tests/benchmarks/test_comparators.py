"""The comparators do the job that they are compared by: the provider's picture lies in S3, and the link gives it.

They run in a process of their own where the environment has what they need; `make benchmark` runs all of them.
"""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from local.account import Account
from local.openai_stand_in import StandIn
from tests.module import event_for, fetch

COMPARATORS = Path(__file__).parents[2] / "benchmarks" / "comparators"
INVOKE = """
import json, sys
from app import handler
print(json.dumps(handler(json.load(sys.stdin), None)))
"""


@pytest.mark.parametrize(
    ("comparator", "model"),
    [("floor", "gpt-image-2"), ("floor", "dall-e-3"), ("openai_sdk", "gpt-image-2")],
)
def test_the_comparator_buys_stores_and_links_one_picture(
    account: Account, stand_in: StandIn, comparator: str, model: str
) -> None:
    account.create_secret({"apiKey": stand_in.api_key}, owner="cli_1")
    stand_in.dall_e_3 = True
    environ = account.aws_environ | account.settings | {"OPENAI_BASE_URL": stand_in.base_url, "IMAGE_MODELS": model}

    ran = subprocess.run(
        [sys.executable, "-c", INVOKE],
        cwd=COMPARATORS / comparator,
        env={"PATH": os.defpath, "PYTHONPATH": str(COMPARATORS / comparator), **environ},
        input=json.dumps(event_for("a cat")),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )

    answer = json.loads(ran.stdout)
    assert sha256(fetch(answer["data"]["urlPath"])).hexdigest() == stand_in.ledger()["last_picture_sha256"]
    assert stand_in.ledger()["billed"] == 1
