"""The account and the provider that serve the measured functions."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from local.account import Account, local_account
from local.openai_stand_in import StandIn

MODEL = "gpt-image-2"
MODEL_BY_URL = "dall-e-3"
CREDENTIALS_ID = "credencial-openai"


@dataclass(frozen=True, slots=True)
class Services:
    """Both servers."""

    account: Account
    stand_in: StandIn

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables of a function."""
        return {
            **self.account.aws_environ,
            **self.account.settings,
            "AWS_REGION": self.account.aws_environ["AWS_DEFAULT_REGION"],
            "AWS_SAM_LOCAL": "true",  # allows a provider on this machine
            "OPENAI_BASE_URL": self.stand_in.base_url,
            "IMAGE_MODELS": MODEL,
            "IMAGE_QUALITY": "medium",
        }

    def reset(self, **settings: Any) -> None:  # noqa: ANN401  # of the stand-in
        """Empty the account, and give the stand-in these settings alone."""
        self.account.empty()
        self.account.create_bucket()
        self.account.create_secret({"apiKey": self.stand_in.api_key}, owner="cli_1", credentials_id=CREDENTIALS_ID)
        self.stand_in.reset()
        for name, value in settings.items():
            setattr(self.stand_in, name, value)


@contextmanager
def services() -> Iterator[Services]:
    """Run both until the context ends."""
    with local_account() as account, StandIn(dall_e_3=True) as stand_in:
        yield Services(account, stand_in)
