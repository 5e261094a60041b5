"""The provider's HTTP API, which is OpenAI's Images API, and the only importer of requests and urllib3."""
