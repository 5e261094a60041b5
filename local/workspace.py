"""The account, the provider and the log of a local command, in the folder ``out/`` or the one that OUT names."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO

from generate_image.functions._runtime import Build
from generate_image.settings import Settings
from local.account import SETTINGS, Account, LocalSecrets, local_account, secret_name
from local.account_folder import locked
from local.estimate import largest_stand_in_price
from local.functions import ConcurrentFunction, environment
from local.provider import Provider, provider
from local.terminal import CommandError

OWN_SETTINGS = {"API_AUTHORIZATION": "none", **SETTINGS}


@dataclass(frozen=True, slots=True)
class Workspace:
    """settings: the environment variables of the functions. secrets_manager: has the provider's key."""

    out: Path
    account: Account
    provider: Provider
    settings: Mapping[str, str]
    secrets_manager: LocalSecrets
    log: IO[str]

    @property
    def account_path(self) -> Path:
        """The folder of records and pictures."""
        return self.out / "account" / self.provider.name

    def function(self, build: Build) -> ConcurrentFunction:
        """Return a function. build: of its module in generate_image.functions."""
        start = lambda: environment(self.account, self.settings, self.log, secrets_manager=self.secrets_manager)  # noqa: E731
        return ConcurrentFunction(build, start)


@contextmanager
def workspace(environ: Mapping[str, str], log_name: str, *, latency: float = 0) -> Iterator[Workspace]:
    """Give the workspace; standard output goes to its log meanwhile, because the functions write metrics there.

    Raises CommandError if another command uses the folder, and ConfigurationError for wrong settings.
    """
    out = out_folder(environ)
    given = {field.name.upper() for field in fields(Settings)} & environ.keys()
    own = {name: environ[name] for name in given} | OWN_SETTINGS
    if environ.get("BUDGET_USD"):
        own["MONTHLY_BUDGET_USD"] = environ["BUDGET_USD"]
    checked = Settings.from_mapping(own)
    if not environ.get("OPENAI_API_KEY"):
        own = {"MAX_PICTURE_USD": largest_stand_in_price(checked)} | own
    with (
        locked(out / "account"),
        (out / log_name).open("w", encoding="utf-8", buffering=1) as log,
        provider(environ, checked.openai_base_url, latency=latency) as used,
        local_account(folder=out / "account" / used.name, retention_days=checked.picture_retention_days) as account,
        redirect_stdout(log),
    ):
        secrets = LocalSecrets({secret_name(): used.secret})
        yield Workspace(out, account, used, {**own, **used.settings}, secrets, log)
        if account.folder is not None and account.folder.problem is not None:
            raise account.folder.problem


def out_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of results, after a check that it can be written. Raises CommandError."""
    out = Path(environ.get("OUT") or "out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise CommandError(f"{out} cannot be written ({error.strerror}). Choose another folder: OUT=…") from None
    return out
