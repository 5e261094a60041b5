"""The generate function: the module's event in, its answer or a named error out."""

import random
from dataclasses import dataclass
from typing import Any

from generate_image.event import LAMBDA_ANSWER_BYTES
from generate_image.functions._parts import BuyingParts, PartClasses
from generate_image.functions._runtime import Environment, LambdaContext, Serve, entry_point
from generate_image.generation import STORING_SECONDS, Generation
from generate_image.provider.download import Downloader
from generate_image.provider.images_api import SHORTEST_PURCHASE_SECONDS, ImagesApi


@dataclass(frozen=True)
class Parts(PartClasses):
    """The classes of the function's parts."""

    images: type[ImagesApi] = ImagesApi
    downloader: type[Downloader] = Downloader


PARTS = Parts()


def build(
    environment: Environment,
    *,
    parts: Parts = PARTS,
    storing_seconds: float = STORING_SECONDS,
    shortest_purchase_seconds: float = SHORTEST_PURCHASE_SECONDS,
) -> Serve:
    """Return the function. storing_seconds, shortest_purchase_seconds: see generation.py and images_api.py."""
    settings, deadline = environment.settings, environment.deadline
    shared = BuyingParts(environment, parts)
    generation = Generation(
        settings=settings,
        deadline=deadline,
        credentials=shared.credentials,
        leases=shared.leases,
        budget=shared.budget,
        images=parts.images(
            settings,
            deadline,
            clock=environment.clock,
            sleep=environment.sleep,
            random=random.random,
            reserve_seconds=storing_seconds,
            shortest_purchase_seconds=shortest_purchase_seconds,
        ),
        downloader=parts.downloader(settings.download_hosts, deadline, reserve_seconds=storing_seconds),
        pictures=shared.pictures,
        links=shared.links,
        log=environment.log,
    )

    def serve(event: object, context: LambdaContext) -> dict[str, Any]:
        request = shared.parse(event, default_key=context.aws_request_id, answer_bytes=answer_bytes(context))
        return generation.generate(request)

    return serve


def answer_bytes(context: LambdaContext) -> int:
    """Return the largest answer that the caller accepts. A caller with a lower limit names it in its client context.

    https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_RequestParameters (ClientContext)
    """
    custom = getattr(context.client_context, "custom", None)
    limit = str(custom.get("answer_bytes", "")) if isinstance(custom, dict) else ""
    is_number = limit.isdecimal() and len(limit) < len(str(LAMBDA_ANSWER_BYTES)) + 1
    return min(int(limit), LAMBDA_ANSWER_BYTES) if is_number else LAMBDA_ANSWER_BYTES


handler = entry_point(build, service="generate-image")
