"""``make run``: one event through the generate function, on this machine.

Standard output gets the answer alone; standard error gets the rest.
"""

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generate_image.errors import IdempotencyKeyReusedError, InvalidRequestError
from generate_image.event import CONFIG_FIELDS, PROMPT_FIELDS, TOP_FIELDS, parse_event
from generate_image.functions import generate_image
from local.account import BUCKET
from local.account_folder import replace
from local.lambda_context import LocalContext
from local.terminal import FAILURE, INTERRUPTED, CommandError, report, run_command
from local.watched import Watched
from local.workspace import Workspace, out_folder, workspace

LOG = "function.log"


def main(path: str, environ: Mapping[str, str]) -> int:
    """Run the event in a file and return the exit status. ``PROMPT`` replaces its prompt, ``KEY`` its key."""
    event = read_event(path, environ)
    out = out_folder(environ)
    with workspace(environ, LOG) as local:
        generate = Watched(local.function(generate_image.build), local)
        try:
            answer = generate(event, LocalContext())
        except KeyboardInterrupt:
            report(f"Interrupted. {generate.summary()} Records and pictures: {local.account_path}.")
            return INTERRUPTED
        except IdempotencyKeyReusedError as error:
            report(f"{error.code}: {error}")
            report(f"{local.account_path} remembers the key from an earlier run. Use another key: make run KEY=…")
            return FAILURE
        _report_answer(answer)
        picture, status = _save(local, answer)
    report(f"The picture: {picture}. The log: {out / LOG}. The links in the answer end with this run.")
    json.dump(answer, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
    return status


def read_event(path: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the event in a file, with ``PROMPT`` and ``KEY``, and report its prompt. Raises CommandError."""
    event = _parsed(path)
    if "PROMPT" in environ:
        _set_prompt(event, environ["PROMPT"])
    if environ.get("KEY"):
        event["idempotency_key"] = environ["KEY"]
    report(f"Event: {path}")
    _report_prompt(event)
    return event


def _parsed(path: str) -> dict[str, Any]:
    try:
        event = json.loads(Path(path).read_text("utf-8-sig"))
    except OSError as error:
        raise CommandError(f"EVENT={path}: no such file with an event ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not UTF-8. Save it as UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path} is not a JSON event: {error}.") from None
    if isinstance(event, list):
        raise CommandError(f"{path} is a list, not an event: make batch FILE={path}")
    if not isinstance(event, dict):
        raise CommandError(f"{path} is not an event: it must contain a JSON object.")
    return event


def _set_prompt(event: dict[str, Any], prompt: str) -> None:
    """Replace the event's prompt. The key changes with it: one key stands for one prompt."""
    if not prompt.strip():
        raise CommandError('PROMPT is empty. Leave it out for the event\'s own prompt, or give one: PROMPT="Un faro".')
    for place, name in PROMPT_FIELDS:
        values = event.get(place)
        value = values.get(name) if isinstance(values, dict) else None
        if isinstance(value, str) and value.strip():
            event[place][name] = prompt
            break
    else:
        event["data"] = {"prompt_image": prompt}
    if isinstance(event.get("idempotency_key"), str):
        event["idempotency_key"] += f"-{hashlib.sha256(prompt.encode()).hexdigest()[:8]}"


def _report_prompt(event: Mapping[str, Any]) -> None:
    try:
        request = parse_event(event, default_key="-", longest_prompt=sys.maxsize)
    except InvalidRequestError:
        return  # the function raises it too
    mode = "persistent" if "data" in request.passed_through else "direct"
    report(f'Prompt: "{request.prompt}" (from {request.prompt_field}, {mode} mode)')
    ignored = [name for name in event if name not in TOP_FIELDS]
    ignored += [f"config.{name}" for name in event["config"] if name not in CONFIG_FIELDS]
    if ignored:
        report(f"Unknown fields without effect: {', '.join(ignored)}.")
    if event.get("idempotency_key") is None:
        report("The event has no idempotency_key, so every run buys another picture.")
    else:
        report(f"Idempotency key: {request.idempotency_key}")


def _save(local: Workspace, answer: Mapping[str, Any]) -> tuple[Path, int]:
    """Save the picture and return its path and the exit status. The account's folder has the picture in any case."""
    key = answer["_meta_"]["key"]
    path = local.out / Path(key).name
    try:
        replace(path, local.account.s3().get_object(Bucket=BUCKET, Key=key)["Body"].read())
    except OSError as error:
        report(f"{path} could not be written ({error.strerror}).")
        return local.account_path / key, FAILURE
    return path, 0


def _report_answer(answer: Mapping[str, Any]) -> None:
    meta = answer["_meta_"]
    if meta["replayed"]:
        report("Replayed: this key's picture was bought before, and nothing was bought now.")
        return
    cost = f" for {meta['cost_usd']} USD" if "cost_usd" in meta else ""
    report(f"Bought one picture of {meta['model']}{cost}, stored as {answer['data']['localPath']}")


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1], os.environ))
