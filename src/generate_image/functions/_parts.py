"""The parts that several functions share, made from an execution environment."""

import random
from dataclasses import dataclass
from functools import partial

from generate_image.aws.ledger import LedgerStore
from generate_image.aws.links import links_for
from generate_image.aws.pictures import PictureStore
from generate_image.aws.records import RecordStore
from generate_image.aws.secrets import CredentialsStore
from generate_image.budget import Budget
from generate_image.event import parse_event
from generate_image.functions._runtime import Environment
from generate_image.lease import Leases
from generate_image.options import OptionRules
from generate_image.provider.models import longest_prompt
from generate_image.state import find_stored_with


@dataclass(frozen=True)
class PartClasses:
    """The classes of the parts. A proof replaces one to break a rule on purpose."""

    records: type[RecordStore] = RecordStore
    pictures: type[PictureStore] = PictureStore
    ledgers: type[LedgerStore] = LedgerStore
    leases: type[Leases] = Leases
    budget: type[Budget] = Budget


PART_CLASSES = PartClasses()


class Stores:
    """The parts of a function that reads pictures, records and ledgers. parse: ``parse_event`` with the settings."""

    def __init__(self, environment: Environment, classes: PartClasses = PART_CLASSES) -> None:
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


class BuyingParts(Stores):
    """The parts of a function that buys."""

    def __init__(self, environment: Environment, classes: PartClasses) -> None:
        super().__init__(environment, classes)
        settings, deadline, log = environment.settings, environment.deadline, environment.log
        self.credentials = CredentialsStore(
            environment.clients.secrets_manager,
            settings.credentials_prefix,
            clock=environment.clock,
            allows_local_hosts=settings.allows_local_hosts,
        )
        self.leases = classes.leases(self.records, self.find_stored, log, deadline, settings.when_outcome_unknown)
        self.budget = classes.budget(settings, self.ledgers, self.records, self.find_stored, log, deadline)
