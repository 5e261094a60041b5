"""The HTTP API: API Gateway's event in, its response out. It imports neither boto3 nor requests."""
