"""Secrets Manager in memory."""

from dataclasses import dataclass, field

from botocore.exceptions import ClientError


@dataclass
class MemorySecretsManager:
    """texts: by name. deleted: names that are scheduled for deletion. failing: the error of every call."""

    texts: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    reads: list[str] = field(default_factory=list)
    failing: Exception | None = None

    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803  # boto3's name
        self.reads.append(SecretId)
        if self.failing:
            raise self.failing
        if SecretId in self.deleted:
            raise secrets_error("InvalidRequestException")
        if SecretId not in self.texts:
            raise secrets_error("ResourceNotFoundException")
        return {"Name": SecretId, "SecretString": self.texts[SecretId]}


def secrets_error(code: str) -> ClientError:
    """Return boto3's exception for an error response."""
    return ClientError({"Error": {"Code": code, "Message": "from the fake"}}, "GetSecretValue")
