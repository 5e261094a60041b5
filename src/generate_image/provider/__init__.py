"""The provider's HTTP API. Only this package imports requests and urllib3."""
