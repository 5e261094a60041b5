"""Fifty simultaneous callers of one LiteLLM key with a budget. Runs in an environment with ``litellm[proxy]``.

Arguments: the provider's base URL, its key, the model, the budget in US dollars, the number of callers. It does what
LiteLLM's proxy does around a request, by the proxy's own functions: compare the key's spend with the budget, reserve,
buy, record the spend. Standard output gets the number of pictures, the amount of a reservation in US dollars, and
whether a later caller bought too.
"""

import asyncio
import os
import sys
from importlib import import_module
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # the prices of the package
ROUTE = "/v1/images/generations"
TOKEN = "a-key"


class Crowd:
    """The callers of one key. No mypy: only the scratch environment has LiteLLM."""

    def __init__(self, base_url: str, api_key: str, model: str, budget: float) -> None:
        self.litellm: Any = import_module("litellm")
        self.proxy: Any = import_module("litellm.proxy.proxy_server")
        self.reservations: Any = import_module("litellm.proxy.spend_tracking.budget_reservation")
        self.provider = {"api_base": base_url, "api_key": api_key}
        self.body = {"model": model, "prompt": "A lighthouse", "n": 1, "quality": "medium", "size": "1024x1024"}
        self.budget = budget
        self.reserved = 0.0
        types: Any = import_module("litellm.proxy._types")
        self.token = types.UserAPIKeyAuth(api_key=TOKEN, token=TOKEN, max_budget=budget, spend=0.0)

    async def buy(self) -> bool:
        """Return whether a picture was bought."""
        spend = await self.proxy.get_current_spend(counter_key=f"spend:key:{TOKEN}", fallback_spend=0.0)
        if spend >= self.budget:
            return False
        try:
            reservation = await self.reservations.reserve_budget_for_request(
                request_body=self.body,
                route=ROUTE,
                llm_router=None,
                valid_token=self.token,
                team_object=None,
                user_object=None,
                prisma_client=None,
                user_api_key_cache=self.proxy.user_api_key_cache,
                proxy_logging_obj=self.proxy.proxy_logging_obj,
            )
        except self.litellm.BudgetExceededError:
            return False
        self.reserved = reservation["reserved_cost"] if reservation else 0.0
        response = await self.litellm.aimage_generation(
            **{**self.body, "model": f"openai/{self.body['model']}"}, **self.provider
        )
        await self.proxy.increment_spend_counters(
            token=TOKEN,
            team_id=None,
            user_id=None,
            response_cost=self.litellm.completion_cost(
                response, model=self.body["model"], call_type="image_generation"
            ),
            budget_reservation=reservation,
        )
        return True


async def main(base_url: str, api_key: str, model: str, budget: str, callers: str) -> None:
    """Let the callers buy at once, then one more, who meets the recorded spend."""
    crowd = Crowd(base_url, api_key, model, float(budget))
    bought = await asyncio.gather(*(crowd.buy() for _ in range(int(callers))))
    print(sum(bought), f"{crowd.reserved:.6f}", await crowd.buy())  # noqa: T201  # the measurement


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
