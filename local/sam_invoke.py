"""``make sam-invoke``: one event through the real ``sam local invoke``, in a container on this machine.

Standard output gets the answer, alone; standard error says what happened. The provider is the stand-in.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from local.account import Account, local_account
from local.container_engine import SAM, THIS_MACHINE, Engine, NoEngineError, find_engine
from local.openai_stand_in import StandIn

FUNCTION = "GenerateImageFunction"
OUT = Path("out")


@dataclass(frozen=True, slots=True)
class SamLocal:
    """What `sam local` is given. arguments: its options. environ: its environment, with the account's credentials."""

    account: Account
    arguments: list[str]
    environ: dict[str, str]


def main(event: str, build: str, environ: Mapping[str, str]) -> int:
    """Run the event in the file in the functions that were built, and return the exit status."""
    OUT.mkdir(exist_ok=True)
    try:
        engine = find_engine(environ)
    except NoEngineError as error:
        _tell(str(error))
        return 1
    with sam_local(engine, Path(build), environ) as sam:
        _tell(f"Event: {event}; provider: the stand-in on this machine")
        invoked = subprocess.run(  # noqa: S603  # a program of this project's own
            [SAM, "local", "invoke", FUNCTION, "--event", event, *sam.arguments],
            env=sam.environ,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if invoked.returncode:
            return invoked.returncode
        answer = json.loads(invoked.stdout)
        if "errorType" in answer:
            _tell(f"{answer['errorType']}: {answer['errorMessage']}")
            return 1
        _tell(f"The picture: {_fetch(sam.account, answer)} (its link led to this account, which ends with this run)")
    json.dump(answer, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
    return 0


@contextmanager
def sam_local(engine: Engine, build: Path, environ: Mapping[str, str], **settings: str) -> Iterator[SamLocal]:
    """Give `sam local` an account and a provider of its own, in which its containers run what was built.

    settings: of the functions, in the place of the template's.
    """
    with StandIn() as stand_in, local_account() as account, engine.forwarding(stand_in.port, _port(account.endpoint)):
        account.create_secret({"apiKey": stand_in.api_key})
        variables = account.settings | {
            "OPENAI_BASE_URL": _from_a_container(stand_in.base_url),
            "AWS_ENDPOINT_URL": _from_a_container(account.endpoint),
            **settings,
        }
        template, values = build / "local.yaml", build / "local-variables.json"
        template.write_text(json.dumps(_declaring(variables, build / "template.yaml")), "utf-8")
        values.write_text(json.dumps({"Parameters": variables}), "utf-8")
        arguments = ["--template", str(template), "--env-vars", str(values), *engine.sam_options]
        own = {name: value for name, value in account.aws_environ.items() if name != "AWS_ENDPOINT_URL"}
        yield SamLocal(account, arguments, {**environ, **own, "SAM_CLI_TELEMETRY": "0"})


def _declaring(variables: Mapping[str, str], template: Path) -> dict[str, Any]:
    """Return a built template whose functions have these variables: `sam local` sets none that is not declared."""
    content: dict[str, Any] = yaml.safe_load(template.read_text("utf-8"))
    for resource in content["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            declared = resource["Properties"].setdefault("Environment", {}).setdefault("Variables", {})
            declared.update({name: "" for name in variables if name not in declared})
    return content


def _from_a_container(url: str) -> str:
    return url.replace("127.0.0.1", THIS_MACHINE)


def _port(url: str) -> int:
    return urlsplit(url).port or 0


def _fetch(account: Account, answer: Mapping[str, Any]) -> Path:
    s3 = account.session().client("s3", endpoint_url=account.endpoint)
    path = OUT / Path(answer["_meta_"]["key"]).name
    path.write_bytes(s3.get_object(Bucket=answer["_meta_"]["bucket"], Key=answer["_meta_"]["key"])["Body"].read())
    return path


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], os.environ))
