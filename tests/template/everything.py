"""The stack with every option on; as a command, what of it a scanner reads."""

import json
import sys

from tests.template.stack import deploy

EVERYTHING = {
    "AlarmEmail": "operator@example.com",
    "CloudfrontKeyPairIds": "K2JCJMDEHXQW5F",
    "CloudfrontPrivateKeySecret": "2026-11",
    "CorsOrigins": "https://flows.example.com,http://localhost:3000",
    "Delivery": "cloudfront-signed",
    "JwtAudience": "generate-image,flows",
    "JwtIssuer": "https://issuer.example.com/pool",
    "ModelWatchCredential": "shared/credencial-openai",
}

if __name__ == "__main__":
    json.dump({"Resources": deploy(**EVERYTHING).resources}, sys.stdout, indent=1)
