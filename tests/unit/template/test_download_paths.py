"""The CloudFront function of the template, run against a table of paths."""

import json
from typing import Any

import dukpy  # type: ignore[import-untyped]  # ships no types
import pytest

from generate_image.aws.links import OpenLinks
from generate_image.picture import PICTURE_TYPES, object_key
from local.expand_template import deploy

ID = "0f5c8a1e-3b1d-51ef-9a52-0a1b2c3d4e5f"
LONGEST_CLIENT = "a" * 64


@pytest.fixture(scope="module")
def code() -> str:
    code: str = deploy(Delivery="cloudfront").properties("DownloadPaths")["FunctionCode"]
    return code


def response(code: str, path: str, query: str = "") -> dict[str, Any]:
    """Return the request that CloudFront continues with, or the response of the function.

    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-event-structure.html: the path is as
    the viewer sent it, neither decoded nor normalized.
    """
    names = [parameter.partition("=")[0] for parameter in query.split("&") if parameter]
    event = {
        "version": "1.0",
        "context": {"eventType": "viewer-request"},
        "viewer": {"ip": "198.51.100.11"},
        "request": {
            "method": "GET",
            "uri": path,
            "querystring": {name: {"value": "x"} for name in names},
            "headers": {"host": {"value": "d111111abcdef8.cloudfront.net"}},
            "cookies": {},
        },
    }
    result = dukpy.evaljs([code, "handler(JSON.parse(dukpy.event))"], event=json.dumps(event))
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize("picture_type", PICTURE_TYPES, ids=lambda picture_type: picture_type.extension)
@pytest.mark.parametrize("client_id", ["1", "42", "acme-co_7", LONGEST_CLIENT])
def test_link_leads_to_its_picture(code: str, client_id: str, picture_type: Any) -> None:  # noqa: ANN401  # any type
    key = object_key(client_id, ID, picture_type.extension)
    url = OpenLinks("d111111abcdef8.cloudfront.net", 7).link(key, 0).url
    path = url.removeprefix("https://d111111abcdef8.cloudfront.net")

    assert path == f"/download/cli_{client_id}/{ID}{picture_type.extension}"
    assert response(code, path)["uri"] == f"/{key}"


@pytest.mark.parametrize(
    "path",
    [
        # records
        f"/download/cli_1/{ID}.json",
        f"/download/cli_1/{ID}.json.png",
        f"/download/cli_1/{ID}.png.json",
        f"/download/cli_1/{ID}.json%00.png",
        f"/download/cli_1/{ID}.json%3F.png",
        f"/download/cli_1/{ID}.json\n.png",
        f"/download/cli_1/{ID}.png\n",
        f"/download/cli_1/{ID}.%6ason",
        # climbing out
        f"/download/../temporal/cli_1/{ID}.png",
        f"/download/cli_1/../cli_2/{ID}.png",
        f"/download/cli_1/..%2Fcli_2/{ID}.png",
        f"/download/cli_1/%2e%2e/cli_2/{ID}.png",
        f"/download/cli_1\\..\\cli_2\\{ID}.png",
        f"/download/cli_1//{ID}.png",
        f"//download/cli_1/{ID}.png",
        f"/download/cli_1/{ID}.png/",
        f"/download/cli_1%2F{ID}.png",
        f"/download/cli_%31/{ID}.png",
        # other names
        "/",
        "/download/",
        f"/download/cli_/{ID}.png",
        f"/download/cli_1/{ID}",
        f"/download/cli_1/{ID}.svg",
        f"/download/cli_1/{ID}.PNG",
        f"/download/cli_1/{ID.upper()}.png",
        f"/download/cli_1/{ID}0.png",
        f"/download/cli_1/{ID.replace('-', '')}.png",
        "/download/cli_1/picture.png",
        f"/download/cli_{LONGEST_CLIENT}a/{ID}.png",
        f"/download/cli_ä/{ID}.png",
        f"/downloads/cli_1/{ID}.png",
        # other prefixes of the bucket
        f"/temporal/cli_1/{ID}.png",
        f"/x/download/cli_1/{ID}.png",
        "/index.html",
    ],
)
def test_every_other_path_is_404(code: str, path: str) -> None:
    refused = response(code, path)

    assert refused["statusCode"] == 404
    assert "uri" not in refused
    assert refused["headers"]["cache-control"]["value"] == "no-store"


def test_query_changes_nothing(code: str) -> None:
    stack = deploy(Delivery="cloudfront")
    policy = stack.properties("DownloadCachePolicy")["CachePolicyConfig"]["ParametersInCacheKeyAndForwardedToOrigin"]
    behavior = stack.properties("DownloadDistribution")["DistributionConfig"]["DefaultCacheBehavior"]

    asked = response(code, f"/download/cli_1/{ID}.png", "response-content-type=text/html&versionId=1")

    assert asked["uri"] == f"/temporal/cli_1/{ID}.png"
    assert policy["QueryStringsConfig"] == {"QueryStringBehavior": "none"}
    assert policy["HeadersConfig"] == {"HeaderBehavior": "none"}
    assert policy["CookiesConfig"] == {"CookieBehavior": "none"}
    assert "OriginRequestPolicyId" not in behavior
