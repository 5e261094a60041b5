"""Which kind of links a deployment gives: docs/decisions/0006-links.md."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from generate_image.cloudfront import OpenLinks, SignedLinks, SigningKey
from generate_image.links import Links, PresignedLinks
from generate_image.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient


def links_for(
    settings: Settings, s3: "S3Client", secrets: "SecretsManagerClient", *, clock: Callable[[], float]
) -> Links:
    """Return what makes links as the settings say. clock: seconds since the epoch."""
    seconds, days = settings.download_url_seconds, settings.picture_retention_days
    if not settings.cloudfront_domain:
        return PresignedLinks(s3, settings.image_bucket, seconds, days)
    if not settings.cloudfront_key_pair_id:
        return OpenLinks(settings.cloudfront_domain, days)
    signing_key = SigningKey(secrets, settings.cloudfront_private_key_secret, settings.cloudfront_key_pair_id)
    return SignedLinks(settings.cloudfront_domain, signing_key, seconds, days, clock=clock)
