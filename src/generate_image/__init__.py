"""Buys one picture from OpenAI's Images API, at most once, stores it in S3 and returns a link to it."""
