"""The Lambda functions of template.yaml, one module each. No other package imports them."""

import gc

# A cold start makes many objects that stay and few that go. ``_runtime`` turns the collector on again.
gc.disable()
