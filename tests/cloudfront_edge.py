"""CloudFront's check of a signed link, read from AWS's documentation and not from our code.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-canned-policy.html
"""

import base64
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

HASHES = {"SHA1": SHA1, "SHA256": SHA256}


def admits(url: str, key_group: Mapping[str, RSAPublicKey], now: float) -> bool:
    """Return whether CloudFront would serve a link with a canned policy.

    key_group: the public keys that the distribution trusts, by id. now: seconds since the epoch.
    """
    base, _, query = url.partition("?")
    parameters = {name: values[0] for name, values in parse_qs(query, strict_parsing=True).items()}
    public_key = key_group.get(parameters["Key-Pair-Id"])
    if urlsplit(url).scheme != "https" or public_key is None or not parameters["Expires"].isdecimal():
        return False
    # The policy itself is not sent: CloudFront makes it from the URL and the time, without white space.
    policy = (
        '{"Statement":[{"Resource":"' + base + '",'
        '"Condition":{"DateLessThan":{"AWS:EpochTime":' + parameters["Expires"] + "}}}]}"
    )
    signature = base64.b64decode(parameters["Signature"].translate(str.maketrans("-_~", "+=/")), validate=True)
    algorithm = HASHES[parameters.get("Hash-Algorithm", "SHA1")]()
    try:
        public_key.verify(signature, policy.encode("ascii"), PKCS1v15(), algorithm)
    except InvalidSignature:
        return False
    return now < int(parameters["Expires"])
