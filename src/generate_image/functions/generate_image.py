"""The generate function: the module's event in, its answer or a named error out."""

import random
from typing import Any, NamedTuple

from generate_image.aws.ledger import LedgerStore
from generate_image.aws.links import links_for
from generate_image.aws.pictures import PictureStore
from generate_image.aws.records import RecordStore
from generate_image.aws.secrets import CredentialsStore
from generate_image.budget import Budget
from generate_image.event import LAMBDA_ANSWER_BYTES, parse_event
from generate_image.functions._runtime import Environment, LambdaContext, Serve, entry_point
from generate_image.generation import STORING_SECONDS, Generation
from generate_image.lease import Leases, find_stored_with
from generate_image.options import OptionRules
from generate_image.provider.download import Downloader
from generate_image.provider.images_api import SHORTEST_PURCHASE_SECONDS, ImagesApi
from generate_image.provider.models import longest_prompt


class Parts(NamedTuple):
    """The classes of the function. A proof replaces one to break a rule on purpose."""

    records: type[RecordStore] = RecordStore
    pictures: type[PictureStore] = PictureStore
    ledgers: type[LedgerStore] = LedgerStore
    leases: type[Leases] = Leases
    budget: type[Budget] = Budget
    images: type[ImagesApi] = ImagesApi


PARTS = Parts()


def build(
    environment: Environment,
    *,
    parts: Parts = PARTS,
    storing_seconds: float = STORING_SECONDS,
    shortest_purchase_seconds: float = SHORTEST_PURCHASE_SECONDS,
) -> Serve:
    """Return the function. storing_seconds, shortest_purchase_seconds: see generation.py and images_api.py."""
    settings, deadline, clients = environment.settings, environment.deadline, environment.clients
    clock, sleep = environment.clock, environment.sleep
    pictures = parts.pictures(clients.s3, settings.image_bucket, settings.picture_retention_days, deadline, sleep=sleep)
    records = parts.records(clients.s3, settings.image_bucket, sleep=sleep)
    generation = Generation(
        settings=settings,
        deadline=deadline,
        credentials=CredentialsStore(
            clients.secrets_manager,
            settings.credentials_prefix,
            clock=clock,
            allows_local_hosts=settings.allows_local_hosts,
        ),
        leases=parts.leases(records, pictures, environment.log, deadline, settings.when_outcome_unknown),
        budget=parts.budget(
            settings,
            parts.ledgers(clients.s3, settings.image_bucket, deadline, sleep=sleep, random=random.random),
            records,
            find_stored_with(pictures),
            environment.log,
            deadline,
        ),
        images=parts.images(
            settings,
            deadline,
            clock=clock,
            sleep=sleep,
            random=random.random,
            reserve_seconds=storing_seconds,
            shortest_purchase_seconds=shortest_purchase_seconds,
        ),
        downloader=Downloader(settings.download_hosts, deadline, reserve_seconds=storing_seconds),
        pictures=pictures,
        links=links_for(settings, clients.s3, clients.secrets_manager, clock=clock),
        log=environment.log,
    )
    most_characters = max(map(longest_prompt, settings.image_models))

    def serve(event: object, context: LambdaContext) -> dict[str, Any]:
        request = parse_event(
            event,
            default_key=context.aws_request_id,
            longest_prompt=most_characters,
            answer_bytes=answer_bytes(context),
            option_rules=OptionRules(settings.caller_options, settings.image_models),
        )
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
