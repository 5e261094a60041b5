"""The same job with LangChain's wrapper of the Images API, whose defaults are left as they are.

It asks for what dall-e-3 takes and knows answers by URL alone.
"""

import json
import os
from functools import cache
from uuid import uuid4

import boto3
import requests
from langchain_community.utilities.dalle_image_generator import DallEAPIWrapper

BUCKET = os.environ["IMAGE_BUCKET"]
MODEL = os.environ.get("IMAGE_MODELS", "gpt-image-2")
TIMEOUT_SECONDS = float(os.environ.get("PROVIDER_TIMEOUT_SECONDS", "600"))

s3 = boto3.client("s3")
secrets = boto3.client("secretsmanager")


@cache
def wrapper(name):
    secret = json.loads(secrets.get_secret_value(SecretId=name)["SecretString"])
    return DallEAPIWrapper(model=MODEL, api_key=secret["apiKey"], timeout=TIMEOUT_SECONDS)


def handler(event, _context):
    generator = wrapper(
        f"{os.environ['CREDENTIALS_PREFIX']}/cli_{event['client_id']}/{event['config']['credentials_id']}"
    )
    url = generator.run(event["config"]["prompt"])
    picture = requests.get(url, timeout=TIMEOUT_SECONDS).content
    path = f"temporal/cli_{event['client_id']}/{uuid4()}.png"
    s3.put_object(Bucket=BUCKET, Key=path, Body=picture, ContentType="image/png")
    link = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": path}, ExpiresIn=3600)
    return {"data": {"imageUrl": url, "urlPath": link, "localPath": f"s3://{BUCKET}/{path}"}}
