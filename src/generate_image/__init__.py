"""One picture bought from OpenAI's Images API, at most once, kept in S3 and answered with a link."""

import gc

_USUAL_THRESHOLDS = gc.get_threshold()
# What is imported stays: to look through it for garbage again and again while it grows takes a tenth of a cold start.
gc.set_threshold(100_000)


def collect_garbage_as_usual() -> None:
    """Set aside what there is by now, which stays, and have Python look for garbage as it does by itself."""
    gc.freeze()
    gc.set_threshold(*_USUAL_THRESHOLDS)
