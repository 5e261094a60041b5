"""Who draws the pictures here: OpenAI where its key is in the environment, else the stand-in."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from local.openai_stand_in import StandIn


@contextmanager
def provider(
    environ: Mapping[str, str], tell: Callable[[str], None], *, latency: float = 0
) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Give the secret of a provider, and the settings that lead to it. latency: seconds that the stand-in takes."""
    if environ.get("OPENAI_API_KEY"):
        tell("Provider: the real one, because OPENAI_API_KEY is set. This costs money.")
        yield {"apiKey": environ["OPENAI_API_KEY"]}, {}
        return
    with StandIn(latency=latency) as stand_in:
        tell("Provider: the stand-in on this machine. Set OPENAI_API_KEY to buy from OpenAI.")
        yield {"apiKey": stand_in.api_key}, {"OPENAI_BASE_URL": stand_in.base_url}
