"""The stand-in for OpenAI in a process of its own: `python -m …provider_process`. It prints its address."""

from threading import Event
from typing import Any

from local.openai_stand_in import StandIn, generations
from local.openai_stand_in.pictures import picture

DRAWINGS = 16


def main() -> None:
    """Serve until terminated."""

    def one_of_few(seed: bytes, *arguments: Any, **options: Any) -> bytes:  # noqa: ANN401
        return picture(bytes([seed[0] % DRAWINGS]), *arguments, **options)

    # Thousands of pictures would take longer to draw than what is measured: a few, drawn once, stand for them.
    generations.__dict__["picture"] = one_of_few
    with StandIn(dall_e_3=True) as stand_in:
        print(stand_in.url, flush=True)
        Event().wait()


if __name__ == "__main__":
    main()
