"""The one door to boto3: its clients, and all of its errors in our own words.

Credentials come from boto3's own chain (environment, ~/.aws, SSO, instance role) and never pass through our hands.
AWS_ENDPOINT_URL and its kin are honoured by boto3 itself. Throttling, 5xx and broken connections are retried by
botocore's standard mode with growing pauses (AWS_MAX_ATTEMPTS changes how often).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore import exceptions as boto
from botocore.config import Config
from botocore.loaders import Loader, create_loader

from imagebuild import __version__
from imagebuild.errors import PublishError

if TYPE_CHECKING:
    from mypy_boto3_ebs import EBSClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_s3 import S3Client

Refused = boto.ClientError
"""What boto3 raises when AWS answers with an error: for those who know what to do about its `code_of`."""

AGAIN = "run the same command again: completed steps are not repeated"
_ATTEMPTS = 8
_MOST_MESSAGE = 400

_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_REFUSED = frozenset(
    {"AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch",
     "InvalidAccessKeyId", "InvalidSignatureException", "IncompleteSignature", "InvalidToken",
     "MissingAuthenticationToken"}
)  # fmt: skip
_FORBIDDEN = frozenset({"UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "403"})
_THROTTLED = frozenset(
    {"RequestLimitExceeded", "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled",
     "RequestThrottledException", "TooManyRequestsException", "SlowDown", "BandwidthLimitExceeded",
     "EC2ThrottledException", "PriorRequestNotComplete"}
)  # fmt: skip
_QUOTA = frozenset(
    {"SnapshotLimitExceeded", "SnapshotCreationPerVolumeRateExceeded", "ServiceQuotaExceededException",
     "ConcurrentSnapshotLimitExceeded", "ConcurrentLimitExceededException", "ResourceLimitExceeded",
     "PendingSnapshotLimitExceeded", "AMIQuotaExceeded", "ResourceCountLimitExceeded", "TagLimitExceeded"}
)  # fmt: skip
_DAMAGED = frozenset(
    {"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "InvalidChecksum"}
)
_NO_BUCKET = frozenset({"NoSuchBucket", "404"})


@dataclass(frozen=True, slots=True)
class Clients:
    """boto3's clients for one region. They may be used from several threads."""

    region: str
    ec2: EC2Client
    ebs: EBSClient
    s3: S3Client


def connect(region: str, *, workers: int) -> Clients:
    """The clients; nothing is sent yet. Raises PublishError when there are no usable settings."""
    with translated(f"connecting to {region}"):
        own = botocore.session.get_session()
        own.register_component("data_loader", _loader())
        session = boto3.session.Session(region_name=region, botocore_session=own)
        config = _config(workers)
        return Clients(
            region,
            session.client("ec2", config=config),
            session.client("ebs", config=config),
            session.client("s3", config=config),
        )


@lru_cache(maxsize=1)
def known_regions() -> tuple[str, ...]:
    """EC2's regions in every partition of AWS, as the installed botocore lists them; AWS is not asked."""
    own = botocore.session.get_session()
    own.register_component("data_loader", _loader())
    partitions = own.get_available_partitions()
    return tuple(name for partition in partitions for name in own.get_available_regions("ec2", partition))


@lru_cache(maxsize=1)
def _loader() -> Loader:
    """One for all regions: EC2's description alone takes half a second to read."""
    return create_loader()


def _config(workers: int) -> Config:
    retries: dict[str, Any] = {}
    if "AWS_RETRY_MODE" not in os.environ:
        retries["mode"] = "standard"
    if "AWS_MAX_ATTEMPTS" not in os.environ:
        retries["total_max_attempts"] = _ATTEMPTS
    return Config(
        connect_timeout=15,
        read_timeout=60,
        max_pool_connections=max(10, workers),
        user_agent_extra=f"imagebuild/{__version__}",
        retries=retries,  # type: ignore[arg-type]
    )


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Whatever boto3 raises inside becomes PublishError "<doing> failed: …", with its remedy."""
    try:
        yield
    except boto.ClientError as error:
        raise _of_client(error, doing) from error
    except boto.ParamValidationError:
        raise  # a fault of imagebuild's
    except boto.BotoCoreError as error:
        raise _of_core(error, doing) from error


def code_of(error: BaseException | None) -> str | None:
    """AWS' error code, of what boto3 raised or of the PublishError made from it; None where AWS said nothing."""
    if isinstance(error, PublishError):
        error = error.__cause__
    if not isinstance(error, boto.ClientError):
        return None
    return str(error.response.get("Error", {}).get("Code", ""))


def _of_client(error: boto.ClientError, doing: str) -> PublishError:
    code = code_of(error) or ""
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    message = str(error.response.get("Error", {}).get("Message", ""))[:_MOST_MESSAGE]
    found = _known(code, status)
    brief, resolution = found or (f"AWS refused it ({code})", AGAIN)
    return PublishError(
        f"{doing} failed: {brief}", details=f"{error.operation_name}: {code}: {message}", resolution=resolution
    )


def _known(code: str, status: int) -> tuple[str, str] | None:
    """Brief and resolution for an error code of AWS."""
    table: tuple[tuple[frozenset[str], str, str], ...] = (
        (_EXPIRED, "the AWS credentials have expired", f"renew them (such as: aws sso login), then {AGAIN}"),
        (_REFUSED, "AWS does not accept the credentials", "check AWS_PROFILE and the keys that boto3 finds"),
        (_FORBIDDEN, "these credentials do not permit it", f"request the operation below (IAM), then {AGAIN}"),
        (_THROTTLED, "AWS keeps throttling, after several tries", f"wait a few minutes, then {AGAIN}"),
        (_QUOTA, "a quota of the account is used up", f"remove resources or raise the quota, then {AGAIN}"),
        (_DAMAGED, "the data arrived damaged", AGAIN),
        (_NO_BUCKET, "there is no such bucket", "make it in that region (aws s3 mb), or name another with --bucket"),
        (frozenset({"InvalidAMIName.Duplicate"}), "the name is taken by another AMI", "choose another with --name"),
        (frozenset({"OptInRequired"}), "the account has not enabled that region", "enable it, or choose another"),
        (
            frozenset({"AccessControlListNotSupported"}),
            "the bucket has its access control lists switched off, EC2 reads bundles by them",
            "set the bucket's object ownership to BucketOwnerPreferred, or name another with --bucket",
        ),
        (frozenset({"PermanentRedirect", "301"}), "the bucket is in another region", "name one of that region"),
    )  # fmt: skip
    for codes, brief, resolution in table:
        if code in codes:
            return brief, resolution
    if status >= 500:
        return f"AWS reported an internal error ({code or status}), after several tries", f"wait a while, then {AGAIN}"
    return None


def _of_core(error: boto.BotoCoreError, doing: str) -> PublishError:
    match error:
        case boto.NoCredentialsError() | boto.PartialCredentialsError() | boto.CredentialRetrievalError():
            brief, resolution = "no AWS credentials were found", "set AWS_PROFILE, or run: aws configure"
        case boto.ProfileNotFound() | boto.ConfigParseError() | boto.ConfigNotFound():
            brief, resolution = "boto3's settings cannot be used", "check AWS_PROFILE and ~/.aws/config"
        case boto.SSOError() | boto.TokenRetrievalError():
            brief, resolution = "the AWS credentials have expired", f"run: aws sso login, then {AGAIN}"
        case boto.NoRegionError() | boto.UnknownEndpointError() | boto.InvalidRegionError():
            brief, resolution = "the region is not known to boto3", "check --region"
        case boto.HTTPClientError() | boto.ConnectionError():
            brief, resolution = "the connection failed, after several tries", f"check the network, then {AGAIN}"
        case _:
            brief, resolution = "boto3 gave up", AGAIN
    return PublishError(
        f"{doing} failed: {brief}", details=f"{type(error).__name__}: {error}"[:_MOST_MESSAGE], resolution=resolution
    )
