"""The CloudFront function of the template, run against a table of paths."""

import json
from typing import Any

import dukpy  # type: ignore[import-untyped]  # ships no types
import pytest

from generate_image.aws.links import OpenLinks
from generate_image.picture import PICTURE_TYPES, PictureType, object_key
from local.expand_template import deploy

DOMAIN = "d111111abcdef8.cloudfront.net"
ID = "0f5c8a1e-3b1d-51ef-9a52-0a1b2c3d4e5f"
LONGEST_CLIENT = "a" * 64
STACK = {"Delivery": "cloudfront"}


def response(path: str) -> dict[str, Any]:
    """Return the request that CloudFront continues with, or the response of the function.

    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-event-structure.html: the path is as
    the viewer sent it, neither decoded nor normalized.
    """
    event = {"request": {"uri": path}}
    code = deploy(**STACK).properties("DownloadPaths")["FunctionCode"]
    result: dict[str, Any] = dukpy.evaljs([code, "handler(JSON.parse(dukpy.event))"], event=json.dumps(event))
    return result


@pytest.mark.parametrize("picture_type", PICTURE_TYPES)
@pytest.mark.parametrize("client_id", ["acme-co_7", LONGEST_CLIENT])
def test_link_leads_to_its_picture(client_id: str, picture_type: PictureType) -> None:
    key = object_key(client_id, ID, picture_type.extension)
    path = OpenLinks(DOMAIN, 7).link(key, 0).url.removeprefix(f"https://{DOMAIN}")

    assert path == f"/download/cli_{client_id}/{ID}{picture_type.extension}"
    assert response(path)["uri"] == f"/{key}"


@pytest.mark.parametrize(
    "path",
    [
        f"/download/cli_1/{ID}.json",
        f"/download/cli_1/{ID}.png.json",
        f"/download/cli_1/{ID}.json\n.png",
        f"/download/cli_1/{ID}.png\n",
        f"/download/cli_1/../cli_2/{ID}.png",
        f"/download/cli_1/..%2Fcli_2/{ID}.png",
        f"//download/cli_1/{ID}.png",
        f"/download/cli_/{ID}.png",
        f"/download/cli_1/{ID}",
        f"/download/cli_1/{ID}.PNG",
        f"/download/cli_1/{ID}0.png",
        f"/download/cli_{LONGEST_CLIENT}a/{ID}.png",
        f"/temporal/cli_1/{ID}.png",
    ],
)
def test_every_other_path_is_404(path: str) -> None:
    refused = response(path)

    assert refused.keys() == {"statusCode", "statusDescription", "headers"}
    assert (refused["statusCode"], refused["headers"]["cache-control"]["value"]) == (404, "no-store")


def test_query_and_headers_do_not_reach_s3() -> None:
    policy = deploy(**STACK).properties("DownloadCachePolicy")["CachePolicyConfig"]
    parameters = policy["ParametersInCacheKeyAndForwardedToOrigin"]
    distribution = deploy(**STACK).properties("DownloadDistribution")["DistributionConfig"]

    assert parameters["QueryStringsConfig"] == {"QueryStringBehavior": "none"}
    assert parameters["HeadersConfig"] == {"HeaderBehavior": "none"}
    assert parameters["CookiesConfig"] == {"CookieBehavior": "none"}
    assert "OriginRequestPolicyId" not in distribution["DefaultCacheBehavior"]
