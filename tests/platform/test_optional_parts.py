"""The page, the guard of roll-outs and the shadow have small roles of their own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from model_store.rollout import POINTER_FILE
from tests.platform.conftest import REGION, Account
from tests.platform.template import OPTIONAL_PARTS, ROOT, TEMPLATE, read_template
from tests.platform.test_template import PROVIDER, actions

pytestmark = pytest.mark.xdist_group("account")

ALL_PARTS = {"ReviewPage": "true", "RolloutGuard": "true", "Shadow": "true"}
PHOTOS = "arn:aws:s3:::acme-photos"
LIMIT = 51_200  # bytes of a template, in CloudFormation


@pytest.fixture(scope="module")
def outputs(account: Account) -> dict[str, str]:
    """The outputs of both stacks."""
    base = account.apply(TEMPLATE, "company", Name="company")
    parts = account.apply(
        OPTIONAL_PARTS, "company-parts", Name="company", PhotoBuckets=PHOTOS, **ALL_PARTS
    )
    return base | parts


@pytest.fixture
def policies(account: Account, outputs: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Statements by the part of the policy's name after NAME-REGION-."""
    begin = f"company-{REGION}-"
    iam = account.client("iam")
    found = {}
    for policy in iam.list_policies(Scope="Local")["Policies"]:
        if policy["PolicyName"].startswith(begin):
            version = iam.get_policy_version(
                PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"]
            )["PolicyVersion"]["Document"]
            document = json.loads(version) if isinstance(version, str) else version
            found[policy["PolicyName"].removeprefix(begin)] = document["Statement"]
    return found


def resources(statements: list[dict[str, Any]], action: str) -> set[str]:
    """The resources on which ``statements`` allow ``action``."""
    return {one for each in statements if action in each["Action"] for one in each["Resource"]}


@pytest.mark.parametrize("file", [TEMPLATE, OPTIONAL_PARTS], ids=lambda file: file.stem)
def test_cloudformation_accepts_the_size(file: Any) -> None:
    assert file.stat().st_size < LIMIT


def test_the_page_reads_pictures_and_writes_nothing(
    policies: dict[str, list[dict[str, Any]]], outputs: dict[str, str]
) -> None:
    page = policies["page"]
    assert actions(page) == {"s3:GetObject", "s3:ListBucket"}
    overlays, models = outputs["OverlaysBucket"], outputs["ModelsBucket"]
    assert resources(page, "s3:GetObject") == {
        f"arn:aws:s3:::{overlays}/overlays/*",
        f"arn:aws:s3:::{overlays}/masks/*",
        f"arn:aws:s3:::{overlays}/photos/*",
        f"arn:aws:s3:::{models}/*",
        f"{PHOTOS}/*",
    }


def test_the_guard_writes_pointers_and_no_bundles(
    policies: dict[str, list[dict[str, Any]]], outputs: dict[str, str]
) -> None:
    assert actions(policies["guard"]) == {"s3:GetObject", "s3:PutObject"}
    pointers = f"arn:aws:s3:::{outputs['ModelsBucket']}/*/{POINTER_FILE}"
    assert resources(policies["guard"], "s3:PutObject") == {pointers}
    assert resources(policies["guard"], "s3:GetObject") == {pointers}


def test_the_shadow_takes_from_its_own_queue_and_stores_no_picture(
    policies: dict[str, list[dict[str, Any]]], outputs: dict[str, str]
) -> None:
    shadow = policies["shadow"]
    assert actions(shadow) == {
        "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "s3:GetObject",
        "s3:ListBucket",
    }  # fmt: skip
    (queue,) = resources(shadow, "sqs:ReceiveMessage")
    assert queue.endswith(":company-shadow")
    overlays = outputs["OverlaysBucket"]
    assert resources(shadow, "s3:GetObject") == {
        f"arn:aws:s3:::{overlays}/photos/*",
        f"arn:aws:s3:::{outputs['ModelsBucket']}/*",
        f"{PHOTOS}/*",
    }


def test_workers_send_to_the_shadow_and_keda_counts_it(
    policies: dict[str, list[dict[str, Any]]],
) -> None:
    assert actions(policies["shadow-sender"]) == {"sqs:SendMessage"}
    assert actions(policies["shadow-keda"]) == {"sqs:GetQueueAttributes"}
    template = read_template(OPTIONAL_PARTS)["Resources"]
    existing = {
        each["Properties"]["RoleName"]["Fn::Sub"]
        for each in read_template()["Resources"].values()
        if each["Type"] == "AWS::IAM::Role" and "Condition" not in each
    }
    for name, role in (("ShadowSenderPolicy", "worker"), ("ShadowKedaPolicy", "keda")):
        (attached,) = template[name]["Properties"]["Roles"]
        assert attached["Fn::Sub"] == f"${{Name}}-${{AWS::Region}}-{role}"
        assert attached["Fn::Sub"] in existing


def test_the_shadows_queue_loses_no_photo(account: Account, outputs: dict[str, str]) -> None:
    url = outputs["ShadowQueueUrl"]
    account.queue_check(url)
    assert url.endswith("/company-shadow")


@pytest.mark.parametrize(
    ("role", "service_account"), [("page", "review"), ("guard", "rollout"), ("shadow", "shadow")]
)
def test_only_its_own_service_account_gets_a_role(
    account: Account, role: str, service_account: str
) -> None:
    account.apply(
        OPTIONAL_PARTS, f"irsa-{role}", Name=f"irsa-{role}", OidcProviderArn=PROVIDER, **ALL_PARTS
    )
    found = account.client("iam").get_role(RoleName=f"irsa-{role}-{REGION}-{role}")["Role"]
    trust = found["AssumeRolePolicyDocument"]
    (statement,) = (json.loads(trust) if isinstance(trust, str) else trust)["Statement"]
    (subject,) = (
        value
        for key, value in statement["Condition"]["StringEquals"].items()
        if key.endswith(":sub")
    )
    assert subject == f"system:serviceaccount:damage-tasks:damage-tasks-{service_account}"


def test_the_parts_that_nobody_wants_are_not_created(account: Account) -> None:
    outputs = account.apply(OPTIONAL_PARTS, "page-alone", Name="alone", ReviewPage="true")
    assert set(outputs) == {"PageRoleArn"}


def test_its_alarms_link_to_a_section_that_exists() -> None:
    template = read_template(OPTIONAL_PARTS)
    alarms = [x for x in template["Resources"].values() if x["Type"] == "AWS::CloudWatch::Alarm"]
    assert len(alarms) == 2
    page = (ROOT / "docs/operators.md").read_text()
    assert "## Shadow: a bundle that does not count" in page
    for alarm in alarms:
        text = alarm["Properties"]["AlarmDescription"]["Fn::Sub"]
        assert text.endswith("See ${Runbooks}#shadow-a-bundle-that-does-not-count")
