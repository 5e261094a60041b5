"""``make run``: one event through the handler, on this machine.

Standard output gets the answer, alone; standard error says what happened. Without ``OPENAI_API_KEY`` in the environment
the picture is drawn by the stand-in.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import requests

from generate_image.errors import GenerateImageError
from local.account import local_account
from local.lambda_context import LocalContext
from local.provider import provider

OUT = Path("out")
PROMPTS = (("data", "prompt_image"), ("data", "prompt"), ("config", "prompt"))


def main(path: str, environ: Mapping[str, str]) -> int:
    """Run the event in the file and return the exit status."""
    try:
        event = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        _tell(f"{path} is not a file with a JSON event: {error}")
        return 2
    if environ.get("PROMPT") and isinstance(event, dict):
        _set_prompt(event, environ["PROMPT"])
    OUT.mkdir(exist_ok=True)
    _tell(f"Event: {path}")
    try:
        with provider(environ, _tell) as (secret, settings), local_account() as account:
            account.create_secret(secret)
            os.environ.update(account.aws_environ | account.settings | settings)
            answer = _invoke(event)
            picture = _fetch(answer)
    except GenerateImageError as error:
        _tell(f"{error.code}: {error}")
        return 1
    _tell(f"The picture: {picture} (fetched by following urlPath; that link ends with this run)")
    json.dump(answer, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
    return 0


def _set_prompt(event: dict[str, Any], prompt: str) -> None:
    """Put a prompt in the place of the event's own."""
    for place, name in PROMPTS:
        values = event.get(place)
        value = values.get(name) if isinstance(values, dict) else None
        if isinstance(value, str) and value.strip():
            event[place][name] = prompt
            return
    event["data"] = {"prompt_image": prompt}


def _invoke(event: object) -> dict[str, Any]:
    log = OUT / "function.log"
    began = time.monotonic()
    with log.open("w", encoding="utf-8") as stream, redirect_stdout(stream):
        from generate_image.handler import handler  # noqa: PLC0415  # its logger takes standard output as it is here

        try:
            answer = handler(event, LocalContext())
        finally:
            _tell(f"The function took {time.monotonic() - began:.1f} s; its log is in {log}")
    meta = answer["_meta_"]
    cost = f" for {meta['cost_usd']} USD" if "cost_usd" in meta else ""
    _tell(f"Bought one picture of {meta['model']}{cost}, stored as {answer['data']['localPath']}")
    return answer


def _fetch(answer: Mapping[str, Any]) -> Path:
    response = requests.get(answer["data"]["urlPath"], timeout=30)
    response.raise_for_status()
    path = OUT / Path(answer["_meta_"]["key"]).name
    path.write_bytes(response.content)
    return path


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], os.environ))
