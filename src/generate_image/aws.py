"""Clients of AWS's services.

botocore makes them. boto3 would add resources and managed transfers, which nothing here uses, to every cold start:
docs/decisions/0014-performance.md.
"""

from functools import cache
from typing import Any

from botocore.config import Config
from botocore.session import Session, get_session


def aws_client(service: str, config: Config) -> Any:  # noqa: ANN401  # botocore makes their classes at run time
    """Return a client of a service, such as ``s3``; endpoint, region and credentials come from the environment."""
    return _session().create_client(service, config=config)


@cache
def _session() -> Session:
    return get_session()
