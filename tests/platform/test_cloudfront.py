"""The template's optional CloudFront distribution, applied to the emulator."""

from __future__ import annotations

import json

import pytest

from tests.platform.conftest import Account
from tests.platform.template import TEMPLATE

pytestmark = pytest.mark.xdist_group("account")

GROUP = "6c5d0e3a-1b2c-4d5e-8f90-a1b2c3d4e5f6"
ALIAS = {
    "CloudFrontAlias": "overlays.acme.example",
    "CloudFrontCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1111",
}


@pytest.fixture(scope="module")
def links(account: Account) -> dict[str, str]:
    """The outputs of a stack with a distribution."""
    return account.apply(TEMPLATE, "links", Name="links", CloudFrontKeyGroup=GROUP, **ALIAS)


def test_pictures_are_served_by_signed_links_over_https_alone(
    account: Account, links: dict[str, str]
) -> None:
    cloudfront = account.client("cloudfront")
    (found,) = cloudfront.list_distributions()["DistributionList"]["Items"]
    assert found["DomainName"] == links["OverlaysHost"]
    config = cloudfront.get_distribution_config(Id=found["Id"])["DistributionConfig"]
    behavior = config["DefaultCacheBehavior"]
    assert behavior["TrustedKeyGroups"] == {"Enabled": True, "Quantity": 1, "Items": [GROUP]}
    assert behavior["ViewerProtocolPolicy"] == "https-only"
    assert set(behavior["AllowedMethods"]["Items"]) == {"GET", "HEAD"}
    assert config["Aliases"]["Items"] == ["overlays.acme.example"]
    assert config["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    (origin,) = config["Origins"]["Items"]
    assert origin["DomainName"].startswith(links["OverlaysBucket"])
    access = cloudfront.get_origin_access_control(Id=origin["OriginAccessControlId"])
    signing = access["OriginAccessControl"]["OriginAccessControlConfig"]
    assert (signing["SigningBehavior"], signing["SigningProtocol"]) == ("always", "sigv4")


def test_the_distribution_alone_may_read_pictures_and_no_photos(
    account: Account, links: dict[str, str]
) -> None:
    (found,) = account.client("cloudfront").list_distributions()["DistributionList"]["Items"]
    bucket = links["OverlaysBucket"]
    policy = account.client("s3").get_bucket_policy(Bucket=bucket)["Policy"]
    (allowed,) = (x for x in json.loads(policy)["Statement"] if x["Effect"] == "Allow")
    assert allowed["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert allowed["Action"] == "s3:GetObject"
    assert allowed["Resource"] == [
        f"arn:aws:s3:::{bucket}/{kind}/*" for kind in ("overlays", "masks")
    ]
    source = allowed["Condition"]["StringEquals"]["aws:SourceArn"]
    assert source == f"arn:aws:cloudfront::000000000000:distribution/{found['Id']}"


def test_without_a_key_group_there_is_no_distribution(account: Account) -> None:
    outputs = account.apply(TEMPLATE, "plain", Name="plain")
    assert "OverlaysHost" not in outputs
    policy = account.client("s3").get_bucket_policy(Bucket=outputs["OverlaysBucket"])["Policy"]
    assert [x["Effect"] for x in json.loads(policy)["Statement"]] == ["Deny"]
