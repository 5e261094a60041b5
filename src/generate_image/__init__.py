"""One picture bought from OpenAI's Images API, at most once, kept in S3 and answered with a link."""
