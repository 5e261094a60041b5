"""The list of a batch: its formats, and the events that are made of it."""
