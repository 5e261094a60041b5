"""A stand-in for OpenAI's Images API: an HTTP server on this machine that refuses, bills and fails as OpenAI does.

    with StandIn() as stand_in:
        client = OpenAI(base_url=stand_in.base_url, api_key=stand_in.api_key)
        stand_in.script("rate_limit_exceeded", "closed_after_billing")  # the next two requests
        ...
        assert stand_in.ledger()["billed"] == 1

Two ways lead to a failure: `StandIn.script`, and a prompt that contains the name of a fault in brackets, such as
`[moderation_blocked]`. `faults.CATALOGUE` holds every fault.
"""

from .faults import CATALOGUE, Fault
from .stand_in import StandIn

__all__ = ["CATALOGUE", "Fault", "StandIn"]
