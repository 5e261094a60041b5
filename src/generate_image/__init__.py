"""One picture bought from OpenAI's Images API, at most once, kept in S3 and answered with a link."""

import gc

USUAL_THRESHOLDS = gc.get_threshold()
# What is imported stays: to look through it for garbage again and again while it grows takes a tenth of a cold start.
gc.set_threshold(100_000)
