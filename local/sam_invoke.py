"""``make sam-invoke``: one event through the real ``sam local invoke``, in a container on this machine.

Standard output gets the answer alone; standard error gets the rest. The provider is the stand-in.
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

from local.account import BUCKET, Account, local_account
from local.account_folder import replace
from local.container_engine import SAM, THIS_MACHINE, Engine, find_engine
from local.openai_stand_in import StandIn
from local.run import read_event
from local.terminal import FAILURE, report, run_command
from local.workspace import out_folder

FUNCTION = "GenerateImageFunction"


@dataclass(frozen=True, slots=True)
class SamLocal:
    """The account and the provider of `sam local`. build: the artifact."""

    account: Account
    stand_in: StandIn
    engine: Engine
    build: Path

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a function that runs beside the containers."""
        return self.account.settings | {"OPENAI_BASE_URL": self.stand_in.base_url}

    @property
    def environ(self) -> dict[str, str]:
        """The environment of `sam local`, without the user's own AWS account."""
        own = {name: value for name, value in self.account.aws_environ.items() if name != "AWS_ENDPOINT_URL"}
        return {**os.environ, **own, "SAM_CLI_TELEMETRY": "0"}

    def arguments(self, **settings: str) -> list[str]:
        """Write the template and the variables, and return the options of `sam local`. settings: of the functions."""
        port = urlsplit(self.account.endpoint).port
        variables = {
            **self.account.settings,
            "OPENAI_BASE_URL": self.stand_in.base_url.replace("127.0.0.1", THIS_MACHINE),
            # Links begin with this address. The gateway's leads to this machine from its own programs, too.
            "AWS_ENDPOINT_URL": f"http://{self.engine.gateway or THIS_MACHINE}:{port}",
            **settings,
        }
        template, values = self.build / "local.yaml", self.build / "local-variables.json"
        content = yaml.safe_load((self.build / "template.yaml").read_text("utf-8"))
        template.write_text(json.dumps(_declaring(variables, content)), "utf-8")
        values.write_text(json.dumps({"Parameters": variables}), "utf-8")
        return ["--template", str(template), "--env-vars", str(values), *self.engine.sam_options]


def main(path: str, build: str, environ: Mapping[str, str]) -> int:
    """Run the event in a file in the built function, and return the exit status."""
    read_event(path)
    out = out_folder(environ)
    with sam_local(find_engine(environ), Path(build)) as sam:
        report(f"Event: {path}. Provider: the stand-in on this machine.")
        invoked = subprocess.run(  # noqa: S603  # a program of this project's own
            [SAM, "local", "invoke", FUNCTION, "--event", path, *sam.arguments()],
            env=sam.environ,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if invoked.returncode:
            return invoked.returncode
        answer = json.loads(invoked.stdout)
        if "errorType" in answer:
            report(f"{answer['errorType']}: {answer['errorMessage']}")
            return FAILURE
        key = answer["_meta_"]["key"]
        picture = out / Path(key).name
        s3 = sam.account.session().client("s3", endpoint_url=sam.account.endpoint)
        replace(picture, s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        report(f"The picture: {picture}. The links in the answer end with this run.")
    json.dump(answer, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
    return 0


@contextmanager
def sam_local(engine: Engine, build: Path) -> Iterator[SamLocal]:
    """Give `sam local` an account and a provider, which its containers can reach."""
    names = [THIS_MACHINE, *filter(None, [engine.gateway])]
    with StandIn() as stand_in, local_account(hosts=names) as account:
        ports = [urlsplit(url).port or 0 for url in (stand_in.base_url, account.endpoint)]
        with engine.forwarding(*ports):
            account.create_secret({"apiKey": stand_in.api_key})
            yield SamLocal(account, stand_in, engine, build)


def _declaring(variables: Mapping[str, str], template: dict[str, Any]) -> dict[str, Any]:
    """Return a built template whose functions declare these variables. `sam local` sets no others."""
    for resource in template["Resources"].values():
        if isinstance(resource, dict) and resource["Type"] == "AWS::Serverless::Function":
            declared = resource["Properties"].setdefault("Environment", {}).setdefault("Variables", {})
            declared.update({name: "" for name in variables if name not in declared})
    return template


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1], sys.argv[2], os.environ))
