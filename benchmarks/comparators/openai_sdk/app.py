"""The same task with the official OpenAI SDK and its defaults."""

import base64
import json
import os
from functools import cache
from uuid import uuid4

import boto3
from openai import OpenAI

BUCKET = os.environ["IMAGE_BUCKET"]
MODEL = os.environ.get("IMAGE_MODELS", "gpt-image-2")
TIMEOUT_SECONDS = float(os.environ.get("PROVIDER_TIMEOUT_SECONDS", "600"))  # the SDK default

s3 = boto3.client("s3")
secrets = boto3.client("secretsmanager")


@cache
def openai_client(name):
    secret = json.loads(secrets.get_secret_value(SecretId=name)["SecretString"])
    return OpenAI(api_key=secret["apiKey"], timeout=TIMEOUT_SECONDS)


def handler(event, _context):
    client = openai_client(
        f"{os.environ['CREDENTIALS_PREFIX']}/cli_{event['client_id']}/{event['config']['credentials_id']}"
    )
    answer = client.images.generate(model=MODEL, prompt=event["config"]["prompt"], size="1024x1024")
    picture = base64.b64decode(answer.data[0].b64_json)
    path = f"temporal/cli_{event['client_id']}/{uuid4()}.png"
    s3.put_object(Bucket=BUCKET, Key=path, Body=picture, ContentType="image/png")
    link = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": path}, ExpiresIn=3600)
    return {"data": {"imageUrl": link, "urlPath": link, "localPath": f"s3://{BUCKET}/{path}"}}
