"""The stores that several functions share, made from an execution environment."""

import random
from dataclasses import dataclass
from functools import partial

from generate_image.aws.ledger import LedgerStore
from generate_image.aws.links import links_for
from generate_image.aws.pictures import PictureStore
from generate_image.aws.records import RecordStore
from generate_image.event import parse_event
from generate_image.functions._runtime import Environment
from generate_image.options import OptionRules
from generate_image.provider.models import longest_prompt
from generate_image.state import find_stored_with


@dataclass(frozen=True)
class StoreClasses:
    """The classes of the stores. A proof replaces one to break a rule on purpose."""

    records: type[RecordStore] = RecordStore
    pictures: type[PictureStore] = PictureStore
    ledgers: type[LedgerStore] = LedgerStore


class Stores:
    """Pictures, records, ledgers and links. parse: ``parse_event`` with the settings."""

    def __init__(self, environment: Environment, classes: StoreClasses) -> None:
        settings, deadline, clients = environment.settings, environment.deadline, environment.clients
        bucket, sleep = settings.image_bucket, environment.sleep
        self.records = classes.records(clients.s3, bucket, sleep=sleep)
        self.pictures = classes.pictures(clients.s3, bucket, settings.picture_retention_days, deadline, sleep=sleep)
        self.find_stored = find_stored_with(self.pictures)
        self.ledgers = classes.ledgers(clients.s3, bucket, deadline, sleep=sleep, random=random.random)
        self.links = links_for(settings, clients.s3, clients.secrets_manager, clock=environment.clock)
        self.parse = partial(
            parse_event,
            longest_prompt=max(map(longest_prompt, settings.image_models)),
            option_rules=OptionRules(settings.caller_options, settings.image_models),
        )
