"""The Lambda functions of template.yaml, one module each. No other package imports them."""

import gc

DEFAULT_THRESHOLDS = gc.get_threshold()
# A cold start makes many objects that stay. Collecting garbage among them takes a tenth of its time. _runtime.py
# restores the defaults.
gc.set_threshold(100_000)
