"""The HTTP API: API Gateway's event in, its response out."""
