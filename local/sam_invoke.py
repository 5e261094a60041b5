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
from local.loopback import ADDRESS
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
    def template(self) -> Path:
        """The template for `sam local`, beside the built one: its paths are relative."""
        return self.build / f"local-{urlsplit(self.account.endpoint).port}.json"

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
        variables = {
            **self.account.settings,
            "OPENAI_BASE_URL": self.stand_in.base_url.replace(ADDRESS, THIS_MACHINE),
            "AWS_ENDPOINT_URL": self.account.endpoint.replace(ADDRESS, THIS_MACHINE),
            **settings,
        }
        template, values = self.template, self.template.with_suffix(".variables.json")
        content = yaml.safe_load((self.build / "template.yaml").read_text("utf-8"))
        template.write_text(json.dumps(_template(variables, content)), "utf-8")
        values.write_text(json.dumps({"Parameters": variables}), "utf-8")
        return ["--template", str(template), "--env-vars", str(values), *self.engine.sam_options]

    def with_own_links(self, body: bytes) -> bytes:
        """Return a response with links for this machine, which does not know its name in the containers.

        moto does not check the links' signatures.
        """
        endpoint = self.account.endpoint
        return body.replace(endpoint.replace(ADDRESS, THIS_MACHINE).encode(), endpoint.encode())


def main(path: str, build: str, environ: Mapping[str, str]) -> int:
    """Run the event in a file in the built function, and return the exit status."""
    event = read_event(path, environ)
    out = out_folder(environ)
    with sam_local(find_engine(environ), Path(build)) as sam:
        report("Provider: the stand-in on this machine.")
        event_path = sam.template.with_suffix(".event.json")
        event_path.write_text(json.dumps(event), "utf-8")
        invoked = subprocess.run(  # noqa: S603  # a program of this project's own
            [SAM, "local", "invoke", FUNCTION, "--event", str(event_path), *sam.arguments()],
            env=sam.environ,
            stdout=subprocess.PIPE,
            check=False,
        )
        if invoked.returncode:
            return invoked.returncode
        answer = json.loads(sam.with_own_links(invoked.stdout))
        if "errorType" in answer:
            report(f"{answer['errorType']}: {answer['errorMessage']}")
            return FAILURE
        key = answer["_meta_"]["key"]
        picture = out / Path(key).name
        replace(picture, sam.account.s3().get_object(Bucket=BUCKET, Key=key)["Body"].read())
        report(f"The picture: {picture}. The links in the answer end with this run.")
    json.dump(answer, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
    return 0


@contextmanager
def sam_local(engine: Engine, build: Path) -> Iterator[SamLocal]:
    """Give `sam local` an account and a provider, which its containers can reach."""
    with StandIn() as stand_in, local_account(hosts=[THIS_MACHINE]) as account:
        ports = [urlsplit(url).port or 0 for url in (stand_in.base_url, account.endpoint)]
        with engine.forwarding(*ports):
            account.create_secret({"apiKey": stand_in.api_key})
            sam = SamLocal(account, stand_in, engine, build)
            try:
                yield sam
            finally:
                for path in build.glob(f"{sam.template.stem}*"):
                    path.unlink()


def _template(variables: Mapping[str, str], built: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a built template that `sam local` runs. Its functions declare these variables.

    `sam local` sets no variable that is not declared, and does not read the loops of the other resources.
    """
    resources = {
        name: resource
        for name, resource in built["Resources"].items()
        if isinstance(resource, dict) and resource["Type"].startswith("AWS::Serverless::")
    }
    for resource in resources.values():
        if resource["Type"] == "AWS::Serverless::Function":
            declared = resource["Properties"].setdefault("Environment", {}).setdefault("Variables", {})
            declared.update({name: "" for name in variables if name not in declared})
    kept = {name: part for name, part in built.items() if name not in ("Outputs", "Rules")}
    return {**kept, "Transform": "AWS::Serverless-2016-10-31", "Resources": resources}


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1], sys.argv[2], os.environ))
