"""The floor: the least code that reads the secret, buys, stores and presigns. No record, no checks, no log."""

import base64
import json
import os
from functools import cache
from uuid import uuid4

import boto3
import requests

BASE_URL = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
BUCKET = os.environ["IMAGE_BUCKET"]
MODEL = os.environ.get("IMAGE_MODELS", "gpt-image-2")
TIMEOUT_SECONDS = float(os.environ.get("PROVIDER_TIMEOUT_SECONDS", "600"))

s3 = boto3.client("s3")
secrets = boto3.client("secretsmanager")


@cache
def api_key(name):
    return json.loads(secrets.get_secret_value(SecretId=name)["SecretString"])["apiKey"]


def handler(event, _context):
    key = api_key(f"{os.environ['CREDENTIALS_PREFIX']}/cli_{event['client_id']}/{event['config']['credentials_id']}")
    response = requests.post(
        f"{BASE_URL}/images/generations",
        headers={"Authorization": f"Bearer {key}"},
        json={"model": MODEL, "prompt": event["config"]["prompt"], "size": "1024x1024"},
        timeout=TIMEOUT_SECONDS,
    )
    response.raise_for_status()
    image = response.json()["data"][0]
    if "b64_json" in image:
        picture = base64.b64decode(image["b64_json"])
    else:
        picture = requests.get(image["url"], timeout=TIMEOUT_SECONDS).content
    path = f"temporal/cli_{event['client_id']}/{uuid4()}.png"
    s3.put_object(Bucket=BUCKET, Key=path, Body=picture, ContentType="image/png")
    link = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": path}, ExpiresIn=3600)
    return {"data": {"imageUrl": image.get("url", link), "urlPath": link, "localPath": f"s3://{BUCKET}/{path}"}}
