"""What an S3 client's error means to the person at the terminal: which store, what is wrong, what to do. No secrets.

botocore's own texts are dropped where a better one is known, and shown without credentials or signed query strings
where none is. What a client retries (see s3.py) has been retried when it gets here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from xtl.errors import Conflict, NotFound, StoreError, StoreRefused

_CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE) to a key that this store knows"

_REFUSED = {
    "InvalidAccessKeyId": f"the store does not know this access key: {_CREDENTIALS}",
    "SignatureDoesNotMatch": f"the secret key does not belong to the access key: {_CREDENTIALS}",
    "ExpiredToken": "the session token has expired: log in again",
    "InvalidToken": "the session token is not valid: log in again, or unset AWS_SESSION_TOKEN",
    "RequestTimeTooSkewed": "this machine's clock is too far from the store's: set the clock",
    "AccessDenied": "access denied: these credentials need s3:ListBucket, GetObject, PutObject and DeleteObject there",
    "403": "access denied, or wrong credentials: `xtl doctor --store URL` tells which",
    "NoSuchBucket": "there is no such bucket: create it, or correct the store's URL",
    "InvalidBucketName": "that is no bucket's name: correct the store's URL",
    "PermanentRedirect": "the bucket lives elsewhere: set AWS_DEFAULT_REGION or AWS_ENDPOINT_URL_S3 to where",
    "AuthorizationHeaderMalformed": "the region is wrong: set AWS_DEFAULT_REGION to the bucket's",
    "IllegalLocationConstraintException": "the region is wrong: set AWS_DEFAULT_REGION to the bucket's",
    "NotImplemented": "it cannot do what was asked (conditional writes?): `xtl doctor --store URL` tells",
    "NoCredentialsError": f"no credentials found: {_CREDENTIALS}",
    "PartialCredentialsError": f"half of the credentials is missing: {_CREDENTIALS}",
    "ProfileNotFound": "AWS_PROFILE names a profile that ~/.aws/config has not",
    "ParamValidationError": "that is no bucket's name: correct the store's URL",
    "TokenRetrievalError": "the login has expired: log in again",
    "SSOTokenLoadError": "the login has expired: log in again",
    "UnauthorizedSSOTokenError": "the login has expired: log in again",
    "CredentialRetrievalError": f"the credentials could not be had: {_CREDENTIALS}",
    "InvalidEndpointDiscoveryConfigurationError": "the endpoint is not valid: correct AWS_ENDPOINT_URL_S3",
}

_UNREACHABLE = {
    "EndpointConnectionError": "nobody answers",
    "ConnectTimeoutError": "nobody answers",
    "ProxyConnectionError": "the proxy does not answer (HTTPS_PROXY, NO_PROXY)",
    "SSLError": "its certificate is not trusted here (AWS_CA_BUNDLE), or it speaks no TLS",
    "ReadTimeoutError": "it stopped answering",
    "ConnectionClosedError": "it closed the connection",
    "ConnectionError": "it closed the connection",
    "HTTPClientError": "the connection broke",
    "IncompleteReadError": "the connection broke",
    "ResponseStreamingError": "the connection broke",
    "SlowDown": "it asks to go slower",
    "InternalError": "it reports an error of its own",
    "ServiceUnavailable": "it is not available",
}

_SECRET = re.compile(r"(?<=://)[^/@\s]+@|\?\S*|\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b")


def redact(text: str) -> str:
    """`text` without user names and passwords in URLs, query strings (signatures) and AWS access keys."""
    return _SECRET.sub("[...]", text)


class Busy(StoreError):
    """409: the store saw two writes of one object at a time and wants this one again."""


@contextmanager
def explained(where: str, name: str) -> Iterator[None]:
    """Turns what botocore and s3transfer raise inside into the error tree. `where`: bucket and endpoint, for people."""
    from botocore.exceptions import BotoCoreError, ClientError
    from s3transfer.exceptions import RetriesExceededError

    try:
        yield
    except RetriesExceededError as error:
        raise translate(error.last_exception, where, name) from None
    except (BotoCoreError, ClientError, ConnectionError, TimeoutError) as error:
        raise translate(error, where, name) from None


def translate(error: BaseException, where: str, name: str) -> StoreError:
    """The error tree's member for one of botocore's errors."""
    response = getattr(error, "response", None) or {}
    code = str(response.get("Error", {}).get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    names = [code] if code else [kind.__name__ for kind in type(error).__mro__]
    if refused := next((_REFUSED[each] for each in names if each in _REFUSED), None):
        return StoreRefused(f"{where}: {refused}")
    if status == 412:
        return Conflict(f"{where}: {name} is not what the write expects")
    if status == 409:
        return Busy(f"{where}: {name} is being written by others: run it again")
    if status == 404:
        return NotFound(f"{where} holds no {name}")
    if problem := next((_UNREACHABLE[each] for each in names if each in _UNREACHABLE), None):
        return StoreError(f"{where}: {problem}, tried again and again: check endpoint and network, then run it again")
    if status and status >= 500:
        return StoreError(f"{where}: it answers {status} {code}, tried again and again: run it again later")
    return StoreError(f"{where}: {redact(str(error))} ({name})")
