"""The common parts of the functions that buy: generate_image.py and batch_shards.py."""

from dataclasses import dataclass

from generate_image.aws.secrets import CredentialsStore
from generate_image.budget import Budget
from generate_image.functions._runtime import Environment
from generate_image.functions._stores import StoreClasses, Stores
from generate_image.lease import Leases


@dataclass(frozen=True)
class PartClasses(StoreClasses):
    """The classes of the parts."""

    leases: type[Leases] = Leases
    budget: type[Budget] = Budget


class BuyingParts(Stores):
    """The stores, the credentials, the leases and the budget."""

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
