"""The CloudFormation template is linted and applied, and its resources are safe.

MiniStack applies everything except the buckets' lifecycles, which are read from the template, and
enforces no policies, so allowed actions are compared with the calls in the code.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from damage_tasks.devstack.child_processes import Child, clean_environment
from damage_tasks.inspection import Verdict
from damage_tasks.results.store import Inspections
from damage_tasks.settings import Settings, get_settings
from damage_tasks.sqs.envelope import is_ignored, translate
from damage_tasks.sqs.queues import DEAD_LETTER_SUFFIX, RETENTION_SECONDS
from tests.helm.chart import render
from tests.helm.test_workloads import ALL
from tests.integration.delivery.stage import wait_until
from tests.platform.conftest import REGION, Account
from tests.platform.template import OPTIONAL_PARTS, ROOT, TEMPLATE, read_template
from tools.sample_pictures_and_results import jpeg

pytestmark = pytest.mark.xdist_group("account")

TARGETS = [
    "arn:aws:sns:eu-central-1:123456789012:acme-events",
    "arn:aws:events:eu-central-1:123456789012:event-bus/acme",
]
PHOTO_KEY = "arn:aws:kms:eu-central-1:123456789012:key/aaaaaaaa-bbbb-cccc-dddd-damagephotos"
PROVIDER = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/ABC"


@pytest.fixture(scope="module")
def outputs(account: Account) -> dict[str, str]:
    """The outputs of the stack."""
    photos = "arn:aws:s3:::acme-photos,arn:aws:s3:::acme-returns"
    return account.apply(
        TEMPLATE,
        "damage",
        PhotoBuckets=photos,
        PhotoKeys=PHOTO_KEY,
        EventTargets=",".join(TARGETS),
    )


@pytest.fixture
def policies(account: Account, outputs: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Statements by the part of the policy's name after NAME-REGION-."""
    begin = f"damage-{REGION}-"
    found = account.policies().items()
    return {name.removeprefix(begin): each for name, each in found if name.startswith(begin)}


def actions(statements: list[dict[str, Any]]) -> set[str]:
    return {action for statement in statements for action in statement["Action"]}


def test_the_longest_name_fits_everywhere() -> None:
    template = read_template()
    pattern = template["Parameters"]["Name"]["AllowedPattern"]
    longest = max(n for n in range(1, 99) if re.fullmatch(pattern, "a" * n))
    assert not re.fullmatch(pattern, "a-")
    # S3, IAM roles, IAM policies.
    limits = {"BucketName": 63, "RoleName": 64, "ManagedPolicyName": 128, "QueueName": 80}
    filled = {"${Name}": "a" * longest, "${AWS::AccountId}": "1" * 12,
              "${AWS::Region}": "ap-southeast-1"}  # fmt: skip
    for resource in template["Resources"].values():
        for key, limit in limits.items():
            name = resource.get("Properties", {}).get(key, {}).get("Fn::Sub", "")
            for placeholder, value in filled.items():
                name = name.replace(placeholder, value)
            assert len(name) <= limit, name


@pytest.mark.slow
@pytest.mark.parametrize("file", sorted((ROOT / "deploy/cloudformation").glob("*.yaml")), ids=str)
def test_cfn_lint_finds_nothing(file: Path) -> None:
    program = Path(sys.executable).parent / "cfn-lint"
    run = subprocess.run([program, file], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_queue_check_passes_on_what_the_template_made(
    account: Account, outputs: dict[str, str]
) -> None:
    found = account.queue_check(outputs["QueueUrl"])
    assert "visibility timeout 180 s, time limit 90 s" in found
    assert "dead letters" in found


def test_messages_that_nobody_can_work_on_become_dead_letters(
    account: Account, outputs: dict[str, str]
) -> None:
    sqs = account.client("sqs")
    found = sqs.get_queue_attributes(QueueUrl=outputs["QueueUrl"], AttributeNames=["All"])
    redrive = json.loads(found["Attributes"]["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"].endswith(f":damage-{DEAD_LETTER_SUFFIX}")
    assert int(redrive["maxReceiveCount"]) == 5
    dead = sqs.get_queue_attributes(QueueUrl=outputs["DeadLettersUrl"], AttributeNames=["All"])
    for queue in (found, dead):
        assert int(queue["Attributes"]["MessageRetentionPeriod"]) == RETENTION_SECONDS
        assert queue["Attributes"]["SqsManagedSseEnabled"] == "true"


def test_an_updated_stack_keeps_its_queue_and_the_photos_on_it(account: Account) -> None:
    url = account.apply(TEMPLATE, "returns", Name="returns")["QueueUrl"]
    sqs = account.client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    updated = {"VisibilityTimeout": "240", "MaxReceiveCount": "4"}
    assert account.apply(TEMPLATE, "returns", Name="returns", **updated)["QueueUrl"] == url
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert found["VisibilityTimeout"] == "240"
    assert json.loads(found["RedrivePolicy"])["maxReceiveCount"] in (4, "4")
    assert found["ApproximateNumberOfMessages"] == "1"


def test_an_urgent_queue_is_as_safe_as_the_other(account: Account) -> None:
    outputs = account.apply(TEMPLATE, "counter", Name="counter", UrgentQueue="true")
    environment = {
        **os.environ,
        **account.environment,
        "DAMAGE_QUEUE_URL": outputs["QueueUrl"],
        "DAMAGE_URGENT_QUEUE_URL": outputs["UrgentQueueUrl"],
    }
    run = subprocess.run(
        [sys.executable, "-m", "damage_tasks", "queue", "check"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("ok ") == 4
    begin, queues = f"counter-{REGION}-", {"counter", "counter-urgent"}
    dead = {f"{queue}-{DEAD_LETTER_SUFFIX}" for queue in queues}
    needed = {"caller": queues, "worker": queues | dead, "operator": queues | dead,
              "keda": queues, "flower": queues | dead}  # fmt: skip
    for name, expected in needed.items():
        allowed = {
            resource.rpartition(":")[2]
            for statement in account.policies()[begin + name]
            for resource in statement["Resource"]
            if ":sqs:" in resource
        }
        assert allowed == expected, name


def test_without_an_urgent_queue_there_is_none(outputs: dict[str, str]) -> None:
    assert "UrgentQueueUrl" not in outputs


def test_the_dead_letter_queue_takes_from_its_queue_alone() -> None:
    allow = read_template()["Resources"]["DeadLetters"]["Properties"]["RedriveAllowPolicy"]
    assert allow["redrivePermission"] == "byQueue"
    (source,) = allow["sourceQueueArns"]
    assert source["Fn::Sub"].endswith(":${Name}")


@pytest.mark.parametrize("output", ["OverlaysBucket", "ModelsBucket", "LogsBucket"])
def test_buckets_are_encrypted_private_and_reached_by_tls(
    account: Account, outputs: dict[str, str], output: str
) -> None:
    s3, bucket = account.client("s3"), outputs[output]
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert len(block) == 4
    assert all(block.values())
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_an_overwritten_bundle_can_be_restored(account: Account, outputs: dict[str, str]) -> None:
    versioning = account.client("s3").get_bucket_versioning(Bucket=outputs["ModelsBucket"])
    assert versioning["Status"] == "Enabled"


@pytest.mark.parametrize("bucket", ["Overlays", "Logs", "Models"])
def test_buckets_forget_after_a_while(bucket: str) -> None:
    properties = read_template()["Resources"][bucket]["Properties"]
    for rule in properties["LifecycleConfiguration"]["Rules"]:
        assert rule["Status"] == "Enabled"
        assert "ExpirationInDays" in rule or "NoncurrentVersionExpiration" in rule
        assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}


def test_kept_photos_have_a_separate_lifetime() -> None:
    properties = read_template()["Resources"]["Overlays"]["Properties"]
    # A rule without a prefix would apply to all of them, and the shortest lifetime wins.
    days = {
        rule["Prefix"]: rule["ExpirationInDays"]["Ref"]
        for rule in properties["LifecycleConfiguration"]["Rules"]
    }
    assert days == {"overlays/": "OverlayDays", "masks/": "OverlayDays", "photos/": "PhotoDays"}


def test_what_holds_photos_and_verdicts_survives_the_stack() -> None:
    resources = read_template()["Resources"]
    for name, resource in resources.items():
        if resource["Type"] in ("AWS::SQS::Queue", "AWS::S3::Bucket"):
            # A stack that could not be created leaves nothing that would block another attempt.
            assert resource["DeletionPolicy"] == "RetainExceptOnCreate", name
            assert resource["UpdateReplacePolicy"] == "Retain", name


def test_alarms_reach_somebody(account: Account, outputs: dict[str, str]) -> None:
    found = account.client("cloudwatch").describe_alarms()["MetricAlarms"]
    alarms = [alarm for alarm in found if alarm["AlarmName"].startswith("damage-")]
    assert {each["AlarmName"] for each in alarms} == {
        "damage-dead-letters",
        "damage-oldest-photo-waits",
        "damage-backlog-is-long",
    }
    for alarm in alarms:
        assert alarm["AlarmActions"] == [f"arn:aws:sns:{REGION}:000000000000:damage-alarms"]


def test_every_alarm_links_to_a_section_that_exists() -> None:
    page = (ROOT / "docs/operators.md").read_text()
    sections = {line[4:].lower() for line in page.splitlines() if line.startswith("### ")}
    template = read_template()
    assert (ROOT / template["Parameters"]["Runbooks"]["Default"]).is_file()
    alarms = [x for x in template["Resources"].values() if x["Type"] == "AWS::CloudWatch::Alarm"]
    assert len(alarms) == 5
    for alarm in alarms:
        text, _, link = alarm["Properties"]["AlarmDescription"]["Fn::Sub"].rpartition(" See ")
        assert text.endswith(".")
        assert link.removeprefix("${Runbooks}#") in sections


def test_the_topic_is_encrypted_with_a_key_that_cloudwatch_may_use(
    account: Account, outputs: dict[str, str]
) -> None:
    # MiniStack does not keep a topic's key.
    topic = read_template()["Resources"]["AlarmTopic"]["Properties"]
    assert topic["KmsMasterKeyId"] == {
        "Fn::If": ["HasKey", {"Ref": "KeyArn"}, {"Ref": "AlarmTopicKey"}]
    }
    kms = account.client("kms")
    described = (kms.describe_key(KeyId=x["KeyId"]) for x in kms.list_keys()["Keys"])
    keys = {key["KeyMetadata"]["Description"]: key["KeyMetadata"] for key in described}
    key = keys["Encrypts the alarms of damage."]["KeyId"]
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    by_sid = {statement["Sid"]: statement for statement in policy["Statement"]}
    assert by_sid["AlarmsArePublished"]["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert set(by_sid["AlarmsArePublished"]["Action"]) == {"kms:GenerateDataKey", "kms:Decrypt"}


def test_policies_name_actions_and_resources(policies: dict[str, list[dict[str, Any]]]) -> None:
    assert set(policies) == {
        "caller", "reader", "worker", "operator", "publisher", "keda", "flower", "log-shipper",
        "deliverer", "eraser",
    }  # fmt: skip
    for name, statements in policies.items():
        for statement in statements:
            assert statement["Effect"] == "Allow", name
            assert not any("*" in action for action in statement["Action"]), name
            # "*" only for the objects of one bucket, and for the ids of databases.
            for resource in statement["Resource"]:
                limited = resource.removesuffix("/*").replace(":dbuser:*/", ":dbuser:")
                assert "*" not in limited, name
                assert re.search("damage|acme", resource), name


def test_policies_allow_no_more_than_each_needs(policies: dict[str, list[dict[str, Any]]]) -> None:
    assert actions(policies["caller"]) == {"sqs:SendMessage"}
    assert actions(policies["keda"]) == {"sqs:GetQueueAttributes"}
    assert actions(policies["flower"]) == {
        "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "s3:GetObject"
    }  # fmt: skip
    (overlays,) = (x for x in policies["flower"] if x["Action"] == ["s3:GetObject"])
    assert [name.partition("/")[2] for name in overlays["Resource"]] == ["overlays/*"]
    assert actions(policies["log-shipper"]) == {"s3:PutObject"}
    (database,) = (x for x in policies["reader"] if x["Action"] == ["rds-db:connect"])
    assert [name.partition("dbuser:")[2] for name in database["Resource"]] == ["*/damage_reader"]
    # S3 decrypts photos on the worker's behalf.
    assert actions(policies["worker"]) == worker_calls() | {"kms:Decrypt"}


# kombu's own calls, in kombu/transport/SQS: polls, acknowledgements, retries, redrive policy.
KOMBU = {
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:SendMessage",
    "sqs:GetQueueAttributes",
}
CALLS = {
    "get_object": "s3:GetObject",
    "head_object": "s3:GetObject",
    "put_object": "s3:PutObject",
    "get_queue_url": "sqs:GetQueueUrl",
    "get_queue_attributes": "sqs:GetQueueAttributes",
}
# Used only by operators, developers and data scientists.
NOT_THE_WORKERS = {
    "aws_targets.py",
    "cli",
    "devstack",
    "samples",
    "dead_letters.py",
    "publishing.py",
}


def worker_calls() -> set[str]:
    """The actions of the worker's AWS calls, according to its code."""
    # Not a call: with it, S3 distinguishes missing from forbidden objects.
    found = KOMBU | {"s3:ListBucket"}
    for folder in ("damage_tasks", "model_store"):
        for file in (ROOT / folder).rglob("*.py"):
            if not set(file.relative_to(ROOT).parts) & NOT_THE_WORKERS:
                text = file.read_text()
                found |= {action for call, action in CALLS.items() if f".{call}(" in text}
    return found


def test_the_deliverer_may_only_send_to_its_targets(
    policies: dict[str, list[dict[str, Any]]],
) -> None:
    (statement,) = policies["deliverer"]
    assert statement["Resource"] == TARGETS
    assert set(statement["Action"]) == {
        "sns:Publish", "sqs:SendMessage", "sqs:GetQueueUrl", "events:PutEvents"
    }  # fmt: skip
    resources = read_template()["Resources"]
    for name in ("DelivererPolicy", "DelivererRole"):
        assert resources[name]["Condition"] == "HasEventTargets"


def test_only_the_eraser_may_delete_pictures(policies: dict[str, list[dict[str, Any]]]) -> None:
    may_delete = {name for name in policies if "s3:DeleteObject" in actions(policies[name])}
    assert may_delete == {"eraser"}
    assert actions(policies["eraser"]) == {
        "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ListBucket", "s3:ListBucketVersions",
        "s3:GetBucketVersioning",
    }  # fmt: skip


def test_photos_are_read_from_the_named_buckets(policies: dict[str, list[dict[str, Any]]]) -> None:
    by_sid = {statement["Sid"]: statement["Resource"] for statement in policies["worker"]}
    assert by_sid["ReadPhotos"] == ["arn:aws:s3:::acme-photos/*", "arn:aws:s3:::acme-returns/*"]
    assert by_sid["TellMissingPhotos"] == ["arn:aws:s3:::acme-photos", "arn:aws:s3:::acme-returns"]
    assert by_sid["DecryptPhotos"] == [PHOTO_KEY]


def test_workers_delete_nothing_that_they_have_written(
    policies: dict[str, list[dict[str, Any]]], outputs: dict[str, str]
) -> None:
    overlays = f"arn:aws:s3:::{outputs['OverlaysBucket']}"
    for statement in policies["worker"]:
        if any(resource.startswith(overlays) for resource in statement["Resource"]):
            assert statement["Action"][0] in ("s3:PutObject", "s3:GetObject", "s3:ListBucket")


def test_pods_get_their_roles_by_pod_identity(account: Account, outputs: dict[str, str]) -> None:
    role = account.client("iam").get_role(RoleName=f"damage-{REGION}-worker")["Role"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert statement["Action"] == ["sts:AssumeRole", "sts:TagSession"]


def test_pods_get_their_roles_by_irsa(account: Account) -> None:
    account.apply(TEMPLATE, "photos", Name="photos", OidcProviderArn=PROVIDER)
    role = account.client("iam").get_role(RoleName=f"photos-{REGION}-worker")["Role"]
    trust = role["AssumeRolePolicyDocument"]
    (statement,) = (json.loads(trust) if isinstance(trust, str) else trust)["Statement"]
    assert statement["Principal"] == {"Federated": PROVIDER}
    issuer = "oidc.eks.eu-central-1.amazonaws.com/id/ABC"
    assert statement["Condition"]["StringEquals"] == {
        f"{issuer}:aud": "sts.amazonaws.com",
        f"{issuer}:sub": "system:serviceaccount:damage-tasks:damage-tasks-worker",
    }


def test_the_template_and_the_chart_name_the_same_accounts() -> None:
    named = {
        resource["Properties"]["ServiceAccount"]
        for file in (TEMPLATE, OPTIONAL_PARTS)
        for resource in read_template(file)["Resources"].values()
        if resource["Type"] == "AWS::EKS::PodIdentityAssociation"
    }
    chart = set(render(ALL).find("[?kind=='ServiceAccount'].metadata.name"))
    with_database_alone = {"damage-tasks-migration", "damage-tasks-report"}
    assert named == chart - with_database_alone | {"keda-operator"}


def test_the_queue_hides_a_photo_for_longer_than_it_may_take() -> None:
    timeout = read_template()["Parameters"]["VisibilityTimeout"]
    limit = Settings.model_fields["time_limit"].default
    assert timeout["MinValue"] >= limit + 30
    assert timeout["Default"] >= timeout["MinValue"]


@pytest.fixture(scope="module")
def uploads(account: Account) -> dict[str, str]:
    """The outputs of a stack with a bucket for uploads."""
    return account.apply(
        TEMPLATE,
        "uploads",
        Name="uploads",
        CreatesUploads="true",
        UploadPrefix="rentals/",
        UploadSuffix=".jpg",
        NotifyingBuckets="arn:aws:s3:::acme-returns",
    )


def test_an_upload_is_announced_on_the_queue(
    account: Account, uploads: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = uploads["UploadsBucket"]
    monkeypatch.setenv("DAMAGE_INTAKE_BUCKETS", bucket)
    get_settings.cache_clear()
    s3, sqs = account.client("s3"), account.client("sqs")
    for key in ("rentals/a b.jpg", "rentals/list.txt", "elsewhere/a.jpg"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    bodies = []
    while found := sqs.receive_message(
        QueueUrl=uploads["QueueUrl"], MaxNumberOfMessages=10, WaitTimeSeconds=1
    ).get("Messages"):
        bodies += [each["Body"] for each in found if not is_ignored(each["Body"])]
    (message,) = (translate(body, "message-1", "uploads") for body in bodies)
    args, _, _ = json.loads(base64.b64decode(message["body"]))
    assert args[0] == f"s3://{bucket}/rentals/a%20b.jpg"


@pytest.mark.slow
def test_a_photo_in_the_templates_bucket_becomes_a_verdict(
    account: Account, uploads: dict[str, str], migrated_sqlite_url: str, tmp_path: Path
) -> None:
    bucket = uploads["UploadsBucket"]
    worker = Child(
        "worker",
        [sys.executable, "-m", "celery", "-A", "damage_tasks", "worker", "--concurrency", "1",
         "--without-gossip", "--without-mingle"],
        log=tmp_path / "worker.log",
        environment={
            **clean_environment(),
            **account.environment,
            "DAMAGE_HEARTBEAT_FILE": str(tmp_path / "worker.heartbeat"),
            "DAMAGE_QUEUE_URL": uploads["QueueUrl"],
            "DAMAGE_BUCKET": uploads["OverlaysBucket"],
            "DAMAGE_INTAKE_BUCKETS": bucket,
            "DAMAGE_DATABASE_URL": migrated_sqlite_url,
        },
    )  # fmt: skip
    account.client("s3").put_object(Bucket=bucket, Key="rentals/a b.jpg", Body=jpeg(seed=1))
    worker.start()
    store = Inspections(migrated_sqlite_url)
    try:
        ((row,), _) = wait_until(lambda: (found := store.search({}, 10, None))[0] and found)
    finally:
        store.close()
        worker.kill()
    assert row.photo_url == f"s3://{bucket}/rentals/a%20b.jpg"
    assert row.verdict in (Verdict.CLEAN, Verdict.DAMAGED)


def test_only_our_buckets_may_announce_uploads(account: Account, uploads: dict[str, str]) -> None:
    found = account.client("sqs").get_queue_attributes(
        QueueUrl=uploads["QueueUrl"], AttributeNames=["Policy"]
    )
    statements = json.loads(found["Attributes"]["Policy"])["Statement"]
    allowed = [each for each in statements if each["Effect"] == "Allow"]
    sources = [each["Condition"]["ArnEquals"]["aws:SourceArn"] for each in allowed]
    assert sources == [f"arn:aws:s3:::{uploads['UploadsBucket']}", ["arn:aws:s3:::acme-returns"]]
    for each in allowed:
        assert each["Principal"] == {"Service": "s3.amazonaws.com"}
        assert each["Action"] == "sqs:SendMessage"
        assert each["Condition"]["StringEquals"] == {"aws:SourceAccount": "000000000000"}


def test_without_uploads_nobody_else_may_send(account: Account, outputs: dict[str, str]) -> None:
    found = account.client("sqs").get_queue_attributes(
        QueueUrl=outputs["QueueUrl"], AttributeNames=["Policy"]
    )
    statements = json.loads(found["Attributes"]["Policy"])["Statement"]
    assert {each["Effect"] for each in statements} == {"Deny"}
