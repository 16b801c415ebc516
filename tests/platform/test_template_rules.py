"""The template's parameters are checked before anything is created.

MiniStack applies neither rules nor patterns, so they are evaluated here.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.platform.template import read_template

TEMPLATE = read_template()
PARAMETERS = TEMPLATE["Parameters"]
KEY = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222"


def value_of(node: Any, given: dict[str, str]) -> Any:
    """The value of a rule's function with the parameters ``given``."""
    if not isinstance(node, dict):
        return node
    ((function, argument),) = node.items()
    if function == "Ref":
        return given.get(argument, str(PARAMETERS[argument].get("Default", "")))
    values = [value_of(each, given) for each in argument]
    if function == "Fn::Equals":
        return values[0] == values[1]
    return {"Fn::Or": any(values), "Fn::And": all(values), "Fn::Not": not values[0]}[function]


def broken(**given: str) -> set[str]:
    """The rules that these parameters break."""
    assert given.keys() <= PARAMETERS.keys()
    return {
        name
        for name, rule in TEMPLATE["Rules"].items()
        for assertion in rule["Assertions"]
        if not value_of(assertion["Assert"], given)
    }


def test_the_defaults_break_no_rule() -> None:
    assert broken() == set()


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"ClusterName": "photos", "OidcProviderArn": "arn:x"}, "OneIdentity"),
        ({"UploadPrefix": "rentals/"}, "FiltersOfUploads"),
        ({"UploadSuffix": ".jpg"}, "FiltersOfUploads"),
        ({"AlarmTopicArn": "arn:x", "AlarmEmail": "ops@acme.example"}, "OneTopic"),
        ({"PhotoKeys": KEY}, "KeysOfPhotoBuckets"),
        ({"CloudFrontAlias": "a.example", "CloudFrontKeyGroup": "g"}, "AliasOfCloudFront"),
        ({"CloudFrontAlias": "a.example", "CloudFrontCertificateArn": "c"}, "AliasOfCloudFront"),
        ({"CloudFrontCertificateArn": "c", "CloudFrontKeyGroup": "g"}, "AliasOfCloudFront"),
    ],
)
def test_parameters_that_do_not_fit_together_are_refused(given: dict[str, str], rule: str) -> None:
    assert broken(**given) == {rule}


@pytest.mark.parametrize(
    "given",
    [
        {"ClusterName": "photos"},
        {"OidcProviderArn": "arn:x", "AlarmEmail": "ops@acme.example"},
        {"CreatesUploads": "true", "UploadPrefix": "rentals/", "UploadSuffix": ".jpg"},
        {"PhotoBuckets": "arn:aws:s3:::a", "PhotoKeys": KEY, "AlarmTopicArn": "arn:x"},
        {"CloudFrontKeyGroup": "g"},
        {"CloudFrontKeyGroup": "g", "CloudFrontAlias": "a.b", "CloudFrontCertificateArn": "c"},
    ],
)
def test_parameters_that_fit_together_are_accepted(given: dict[str, str]) -> None:
    assert broken(**given) == set()


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("PhotoBuckets", "arn:aws:s3:::a-photos,arn:aws:s3:::b", "a-photos"),
        ("PhotoKeys", f"{KEY},{KEY}", "alias/photos"),
        ("ClusterName", "photos_1", "photos/1"),
        ("Namespace", "damage-tasks", "Damage"),
        ("KedaNamespace", "keda", "keda-"),
        ("CloudFrontKeyGroup", "6c5d0e3a-1b2c-4d5e-8f90-a1b2c3d4e5f6", "my group"),
        ("CloudFrontAlias", "overlays.acme.example", "https://overlays.acme.example"),
        ("CloudFrontCertificateArn", CERTIFICATE, CERTIFICATE.replace("us-east", "eu-central")),
        ("AlarmTopicArn", "arn:aws:sns:eu-central-1:123456789012:alarms", "alarms"),
        ("AlarmEmail", "ops@acme.example", "ops"),
        ("Runbooks", "https://wiki.acme.example/damage/", "https://wiki.acme.example/#damage"),
    ],
)
def test_each_parameter_is_checked_by_a_pattern(name: str, good: str, bad: str) -> None:
    pattern = PARAMETERS[name]["AllowedPattern"]
    assert re.fullmatch(pattern, good)
    assert re.fullmatch(pattern, str(PARAMETERS[name]["Default"]))
    assert not re.fullmatch(pattern, bad)


def test_no_number_is_unlimited_and_no_text_is_unchecked() -> None:
    for name, parameter in PARAMETERS.items():
        if parameter["Type"] == "Number":
            assert parameter["MinValue"] > 0, name
        elif name not in ("UploadPrefix", "UploadSuffix", "EventTargets"):
            assert "AllowedPattern" in parameter or "AllowedValues" in parameter, name
