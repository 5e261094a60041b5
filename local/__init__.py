"""A whole AWS account and a stand-in for OpenAI on this machine, without Docker."""
