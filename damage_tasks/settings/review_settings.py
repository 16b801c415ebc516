"""The inspectors' page: who may use it, and how people sign in."""

from __future__ import annotations

import ipaddress
import math
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from damage_tasks.settings.base import CommaSeparated, Group, setting

ROLES = ("viewer", "inspector", "admin")


def _role_entry(entry: str) -> str:
    name, _, role = entry.rpartition("=")
    if not name or role not in ROLES:
        raise ValueError(f'"{entry}" is not NAME=ROLE with a role of {", ".join(ROLES)}')
    return entry


def _network(entry: str) -> str:
    return str(ipaddress.ip_network(entry, strict=False))


def _web_address(value: str) -> str:
    if urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname:
        raise ValueError("is not a URL (https://HOST)")
    return value.rstrip("/")


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError("is not a time zone of the IANA database, like Europe/Berlin") from None
    return name


def _score_band(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    low, comma, high = value.partition(",")
    try:
        band = float(low), float(high)
    except ValueError:
        band = (math.nan, math.nan)
    if not comma or not 0 <= band[0] <= band[1] <= 1:
        raise ValueError("is not LOW,HIGH with 0 <= LOW <= HIGH <= 1")
    return band


def _review_costs(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        costs = tuple(float(part) for part in value.split(","))
    except ValueError:
        costs = ()
    if len(costs) != 3 or not all(0 <= cost < math.inf for cost in costs):
        raise ValueError("is not MISSED,FALSE_ALARM,MINUTE, three numbers of at least 0")
    return costs


ReviewCosts = Annotated[tuple[float, float, float] | None, NoDecode, BeforeValidator(_review_costs)]
ScoreBand = Annotated[tuple[float, float] | None, NoDecode, BeforeValidator(_score_band)]
RoleEntries = CommaSeparated[Annotated[str, AfterValidator(_role_entry)]]
Networks = CommaSeparated[Annotated[str, AfterValidator(_network)]]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
WebAddress = Annotated[str, AfterValidator(_web_address)]


class ReviewSettings(Group):
    """The inspectors' page: who may use it, and how people sign in."""

    review_sign_in: Literal["none", "basic", "proxy", "alb", "oidc"] = setting(
        "none",
        "How people sign in to the inspectors' page: `basic` (names and passwords), `proxy` "
        "(headers of oauth2-proxy), `alb` (tokens of an AWS load balancer), `oidc` (OpenID "
        "Connect), or `none`, which is refused unless the page listens on loopback.",
        "oidc",
    )
    review_roles: RoleEntries = setting(
        (),
        "Who may do what on the inspectors' page, comma-separated: `NAME=ROLE`, where NAME is a "
        "person, a group or `*` for everyone who has signed in, and ROLE is `viewer`, "
        "`inspector` or `admin`. The highest role counts; without one, a person is refused.",
        "fleet-inspectors=inspector,ann@acme.example=admin",
    )
    review_url: WebAddress | None = setting(
        None,
        "URL of the inspectors' page for browsers. Required by the sign-in `oidc`; requests for "
        "other hosts are refused.",
        "https://review.acme.example",
    )
    review_passwords: SecretStr | None = setting(
        None,
        "Names and passwords for the sign-in `basic`, comma-separated.",
        "ann:secret,bob:other-secret",
    )
    review_proxies: Networks = setting(
        (),
        "Addresses of the proxies whose headers the sign-in `proxy` trusts, comma-separated.",
        "10.0.0.0/16",
    )
    review_alb_arn: str | None = setting(
        None,
        "ARN of the load balancer whose tokens the sign-in `alb` trusts.",
        "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/review/0123abcd",
    )
    review_alb_keys_url: WebAddress | None = setting(
        None,
        "URL under which the load balancer's public keys are; by default that of its region.",
        "https://public-keys.auth.elb.eu-central-1.amazonaws.com",
    )
    review_oidc_issuer: WebAddress | None = setting(
        None, "Issuer of the sign-in `oidc`.", "https://login.acme.example"
    )
    review_oidc_client_id: str | None = setting(
        None, "Client id of the sign-in `oidc`.", "damage-review"
    )
    review_oidc_client_secret: SecretStr | None = setting(
        None, "Client secret of the sign-in `oidc`.", "secret"
    )
    review_groups_claim: str = setting(
        "groups", "Claim of the sign-ins `alb` and `oidc` that lists a person's groups.", "groups"
    )
    review_session_key: SecretStr | None = setting(
        None,
        "Secret that signs the cookies of the inspectors' page, at least 32 characters. Without "
        "it, every start chooses one: people sign in again, and replicas reject each other's "
        "cookies.",
        "a-long-random-text-of-32-characters",
        min_length=32,
    )
    review_language: str | None = setting(
        None,
        "Language of the inspectors' page for people who have not chosen one there, such as `ko`. "
        "By default it is the one that their browser prefers, or else English.",
        "ko",
    )
    time_zone: TimeZone = setting(
        "UTC",
        "Time zone of the inspectors' page and of times on the command line, by its name in the "
        "IANA database: days begin at its midnight.",
        "Asia/Seoul",
    )
    review_band: ScoreBand = setting(
        None,
        "Lowest and highest damage score at which a person should look at a photo, from 0 to 1. By "
        "default those in the bundle's manifest (`python -m model_training bands`), or else "
        "0.2,0.8. Workers note it with each verdict, so a change affects photos examined later.",
        "0.05,0.6",
    )
    history_photos: int = setting(
        20,
        "Number of a car's earlier photos, the latest ones, with which a photo is compared to say "
        "whether its damage is new. 0 compares none.",
        "40",
        ge=0,
        le=200,
    )
    history_days: int = setting(
        365,
        "Days before a photo within which earlier photos of the same car are compared with it.",
        "90",
        ge=1,
        le=3660,
    )
    review_costs: ReviewCosts = setting(
        None,
        "Costs of a damaged photo that counts as clean, of a clean photo that counts as damaged, "
        "and of a minute of an inspector, in any currency: the inspectors' page and "
        "`damage-tasks report` then show what people's decisions cost and save, and the work list "
        "of unsure photos begins with those where an error would cost most. By default those in "
        "the bundle's manifest.",
        "150,20,0.6",
    )
    review_prevalence: float | None = setting(
        None,
        "Share of damaged photos among all that are sent, for the order of unsure photos. By "
        "default that in the bundle's manifest, or else 0.5, which damage scores assume.",
        "0.03",
        gt=0,
        lt=1,
    )
    quality_days: int = setting(
        28,
        "Days whose photos the inspectors' page and its metrics estimate precision and recall of.",
        "7",
        ge=1,
        le=366,
    )
    recall_floor: float | None = setting(
        None,
        "Recall, from 0 to 1, that the networks should reach in production: an alert fires, and "
        "`damage-tasks report` fails, if the 95 % interval of the estimate goes below it.",
        "0.9",
        gt=0,
        lt=1,
    )
    review_audit_share: float = setting(
        0.01,
        "Share of all photos that the random audit shows to people, whatever their score.",
        "0.02",
        gt=0,
        le=1,
    )
