"""The rights that EventBridge needs to call the targets of a rule."""

from tests.proof.rights.iam import Request
from tests.proof.rights.world import Subject


def requests_of_rule(rule: Subject) -> list[Request]:
    """Return the rights that the role of a rule needs.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
    """
    targets = rule.properties["Targets"]
    if unknown := [target["Arn"] for target in targets if ":api-destination/" not in target["Arn"]]:
        raise NotImplementedError(unknown)
    return [Request("events:InvokeApiDestination", target["Arn"]) for target in targets]
