"""The model-watch function: logs daily how many days each model has before its shutdown.

Image models get as little as three months' notice: https://developers.openai.com/api/docs/deprecations. The function
never fails: Lambda would retry it, and its failure would count among those of purchases.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from generate_image.aws.secrets import CredentialsStore
from generate_image.credentials import Credentials
from generate_image.errors import GenerateImageError
from generate_image.functions._runtime import Environment, LambdaContext, Serve, entry_point
from generate_image.provider.errors import NoSuchModelError
from generate_image.provider.models_api import ModelNotCheckedError, ModelsApi


def build(environment: Environment) -> Serve:
    """Return the function. Its event is ``{"credential": "shared/NAME"}``, or ``cli_CLIENT/NAME``.

    It returns the days left by model: 0 for a model that does not exist, None for one without a shutdown date. A model
    that could not be checked is left out.
    """
    settings, log = environment.settings, environment.log
    store = CredentialsStore(
        environment.clients.secrets_manager,
        settings.credentials_prefix,
        clock=environment.clock,
        allows_local_hosts=settings.allows_local_hosts,
    )
    models = ModelsApi(settings.openai_base_url, environment.deadline)

    def serve(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, int | None]:
        owner, _, credentials_id = str(event.get("credential")).partition("/")
        try:
            credentials = store.read_of(owner, credentials_id)
        except GenerateImageError as error:
            log.models_not_checked(None, str(error))
            return {}
        return check(credentials)

    def check(credentials: Credentials) -> dict[str, int | None]:
        today = datetime.fromtimestamp(environment.clock(), UTC).date()
        days_left: dict[str, int | None] = {}
        for model in settings.image_models:
            try:
                shutdown_date = models.shutdown_date(model, credentials)
            except NoSuchModelError:
                log.model_gone(model)
                days_left[model] = 0
            except ModelNotCheckedError as error:
                log.models_not_checked(model, str(error))
            else:
                days_left[model] = (shutdown_date - today).days if shutdown_date else None
                log.model_checked(model, shutdown_date, days_left[model])
        return days_left

    return serve


def respond(_error: GenerateImageError) -> dict[str, Any]:
    """Return an empty result. The boundary has logged and counted the error."""
    return {}


handler = entry_point(build, service="model-watch", respond=respond)
