"""The only module that talks to Kubernetes: a few verbs over raw JSON objects, and its errors in plain words.

Lists are raw JSON (typed objects cost five times the time and memory), paged by the server's own limit. Everything is
namespaced. 429 and `Retry-After` are honoured, 409 at creation means that the object is there, and nothing here decides
anything: see `controller.py` and `states.py`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from xtl.errors import UserError, XtlError

Object = dict[str, Any]

JOBS = "/apis/batch/v1/namespaces/{namespace}/jobs"
PODS = "/api/v1/namespaces/{namespace}/pods"
EVENTS = "/api/v1/namespaces/{namespace}/events"
SECRETS = "/api/v1/namespaces/{namespace}/secrets"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
WORKLOADS = "/apis/kueue.x-k8s.io/v1beta2/namespaces/{namespace}/workloads"

#: Every object of xtl's.
OURS = "app.kubernetes.io/managed-by=xtl"

_TRIES = 6
_IN_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT_SECONDS = 30.0
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_MERGE, _JSON = "application/merge-patch+json", "application/json"


class ClusterError(XtlError):
    """The API server did not do what was asked. `code` is its HTTP status, 0 where it did not answer."""

    def __init__(self, message: str, code: int = 0) -> None:
        self.code = code
        super().__init__(message)


class ClusterRefused(UserError):
    """Credentials, rights or the request itself: asking again changes nothing."""


class Cluster:
    """One namespace of one cluster. `requests` counts what was sent, by verb, for whoever wants to know."""

    def __init__(
        self,
        *,
        context: str | None = None,
        namespace: str | None = None,
        tries: int = _TRIES,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """From the kubeconfig's context; in a pod where neither that nor KUBECONFIG is named, from its service account.
        tries: of one request, before it is given up. Raises ClusterRefused."""
        import yaml
        from kubernetes import client, config
        from kubernetes.config import ConfigException

        configuration = client.Configuration()
        files = os.environ.get("KUBECONFIG") or None  # as it is now: the client reads it when it is imported
        try:
            if context is None and files is None and (_IN_POD / "token").exists():
                config.load_incluster_config(client_configuration=configuration)
                home = (_IN_POD / "namespace").read_text().strip()
            else:
                config.load_kube_config(files, context=context, client_configuration=configuration)
                home = _context_namespace(files, context)
        except (ConfigException, OSError, TypeError, ValueError, yaml.YAMLError) as error:
            raise ClusterRefused(f"no cluster: {error}; set KUBECONFIG, or name a context with --context") from None
        configuration.retries = False
        configuration.connection_pool_maxsize = 16  # the default goes by our CPUs; a submit has ten requests in flight
        self.namespace = namespace or home
        self.host = str(configuration.host)
        self.requests: dict[str, int] = {}
        self.date = ""  # the server's clock as of its last answer (RFC 9110, section 6.6.1)
        self._tries, self._timeout = tries, timeout_seconds
        self._client = client.ApiClient(configuration)

    def list(self, path: str, *, selector: str = "", fields: str = "") -> list[Object]:
        """Every object, in pages."""
        return list(self.iterate(path, selector=selector, fields=fields))

    def iterate(self, path: str, *, selector: str = "", fields: str = "") -> Iterator[Object]:
        """One object after another, a page in memory at a time."""
        query = {"labelSelector": selector, "fieldSelector": fields, "limit": "500"}
        while True:
            page = self._ask("GET", path, query={name: value for name, value in query.items() if value})
            yield from page.get("items", [])
            following = page.get("metadata", {}).get("continue")
            if not following:
                return
            query["continue"] = following

    def watch(self, path: str, *, selector: str = "", seconds: float = 60.0) -> Iterator[bytes]:
        """A raw line, of metadata alone, for each change from now on, for so long or until the server hangs up: for
        waking up, not for state. Ends early, too, where the server says 410 Gone. Raises ClusterError."""
        from urllib3.exceptions import HTTPError
        from urllib3.util import Timeout

        wanted = {"labelSelector": selector} if selector else {}
        page = self._ask("GET", path, query={**wanted, "limit": "1"})
        version = str(page.get("metadata", {}).get("resourceVersion", ""))
        query = {**wanted, "watch": "1", "resourceVersion": version, "timeoutSeconds": str(max(1, int(seconds)))}
        headers: dict[str, str] = {"Accept": _METADATA}
        self._client.update_params_for_auth(headers, [], ["BearerToken"])
        url = f"{self.host}{path.format(namespace=quote(self.namespace))}?{urlencode(query)}"
        pool = self._client.rest_client.pool_manager
        try:
            found = pool.request("GET", url, headers=headers, timeout=Timeout(connect=5, read=seconds + 5),
                                 retries=False, redirect=False, preload_content=False)  # fmt: skip
            try:
                if not 200 <= found.status < 300:
                    raise self._explained("GET", path, found.status, found.read(2000).decode("utf-8", "replace"))
                for line in _lines(found.stream(65536)):
                    if b'"type":"ERROR"' in line[:40]:
                        return
                    yield line
            finally:
                found.close()
        except (HTTPError, OSError) as error:
            raise ClusterError(f"the API server at {self.host} hung up: {error}") from None

    def get(self, path: str, name: str) -> Object | None:
        """The object, or None."""
        try:
            return self._ask("GET", f"{path}/{quote(name)}")
        except ClusterError as error:
            if error.code == 404:
                return None
            raise

    def create(self, path: str, manifest: Mapping[str, Any], *, dry_run: bool = False) -> bool:
        """Create; False where one of that name is there already."""
        try:
            self._ask("POST", path, body=manifest, query={"dryRun": "All"} if dry_run else {})
        except ClusterError as error:
            if error.code == 409:
                return False
            raise
        return True

    def patch(self, path: str, name: str, change: Mapping[str, Any]) -> Object | None:
        """A merge patch (RFC 7386); the object as it is then, or None where it is gone. A `metadata.resourceVersion` in
        the change makes it conditional: ClusterError 409 where the object has moved on."""
        try:
            return self._ask("PATCH", f"{path}/{quote(name)}", body=change, kind=_MERGE)
        except ClusterError as error:
            if error.code == 404:
                return None
            raise

    def delete(self, path: str, name: str, *, uid: str | None = None, version: str | None = None) -> bool:
        """Delete in the foreground: the object stays until its dependants (a Job's pods) are gone. False if it was.
        uid, version: only this object, as it was when read; ClusterError 409 where it is another, or has changed."""
        only = {"uid": uid, "resourceVersion": version}
        body = {"propagationPolicy": "Foreground", "preconditions": {k: v for k, v in only.items() if v is not None}}
        try:
            self._ask("DELETE", f"{path}/{quote(name)}", body=body)
        except ClusterError as error:
            if error.code == 404:
                return False
            raise
        return True

    def wait_gone(self, path: str, name: str, seconds: float, *, uid: str | None = None) -> bool:
        """True once the object (that of this uid, where given) is gone; False if it still is there after so long."""
        end = time.monotonic() + seconds
        while (found := self.get(path, name)) is not None and uid in (None, found["metadata"]["uid"]):
            if time.monotonic() > end:
                return False
            time.sleep(0.5)
        return True

    def log(self, pod: str, *, tail: int | None = None) -> str:
        """What a pod's container has printed; "" where the pod is gone."""
        query = {"tailLines": str(tail)} if tail else {}
        try:
            return str(self._ask("GET", f"{PODS}/{quote(pod)}/log", query=query, raw=True))
        except ClusterError as error:
            if error.code in (400, 404):  # not started yet, or gone
                return ""
            raise

    def follow(self, pod: str) -> Iterator[str]:
        """What a pod's container has printed and prints, in whole lines, until it ends; nothing where it is gone or its
        node does not answer: whoever follows asks again. Raises ClusterRefused."""
        from urllib3.exceptions import HTTPError
        from urllib3.util import Timeout

        headers: dict[str, str] = {}
        self._client.update_params_for_auth(headers, [], ["BearerToken"])
        url = self.host + f"{PODS.format(namespace=quote(self.namespace))}/{quote(pod)}/log?follow=true"
        try:
            found = self._client.rest_client.pool_manager.request(
                "GET",
                url,
                headers=headers,
                timeout=Timeout(connect=self._timeout),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            if not 200 <= found.status < 300:
                said = found.read(2000).decode("utf-8", "replace")
                error = self._explained("GET", f"{PODS}/{quote(pod)}/log", found.status, said)
                if isinstance(error, ClusterRefused):
                    raise error
                return
            rest = b""
            for piece in found.stream(65536):
                *lines, rest = (rest + piece).split(b"\n")
                yield from (line.decode("utf-8", "replace") + "\n" for line in lines)
            if rest:
                yield rest.decode("utf-8", "replace")
        except (HTTPError, OSError):
            return  # the connection ended before the pod did

    def allowed(self, verb: str, resource: str, group: str = "") -> bool:
        """SelfSubjectAccessReview: may we do this in the namespace? resource: `jobs`, or a part of one, `pods/log`."""
        resource, _, part = resource.partition("/")
        attributes = {
            "namespace": self.namespace, "verb": verb, "group": group, "resource": resource, "subresource": part,
        }  # fmt: skip
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                  "spec": {"resourceAttributes": attributes}}  # fmt: skip
        found = self._ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review)
        return bool(found.get("status", {}).get("allowed"))

    def version(self) -> str:
        return str(self._ask("GET", "/version").get("gitVersion", "unknown"))

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        kind: str = _JSON,
        raw: bool = False,
    ) -> Any:
        """One request, again after 429, 5xx and lost connections with what `Retry-After` says or a growing wait."""
        for attempt in range(self._tries):
            status, text, after = self._send(method, path, query or {}, body, kind)
            if 200 <= status < 300:
                return text if raw else self._object(text)
            again = status in (0, 429, 500, 502, 503, 504)
            if not again or attempt == self._tries - 1:
                raise self._explained(method, path, status, text)
            time.sleep(after if after is not None else min(0.2 * 2**attempt, 5.0))
        raise AssertionError("unreachable")

    def _send(
        self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None, kind: str
    ) -> tuple[int, str, float | None]:
        from urllib3.exceptions import HTTPError

        self.requests[method] = self.requests.get(method, 0) + 1
        headers: dict[str, str] = {"Accept": "application/json"}
        self._client.update_params_for_auth(headers, [], ["BearerToken"])
        if body is not None:
            headers["Content-Type"] = kind
        url = self.host + path.format(namespace=quote(self.namespace))
        pool = self._client.rest_client.pool_manager
        try:
            found = pool.request(
                method,
                url + (f"?{urlencode(query)}" if query else ""),
                body=json.dumps(body).encode() if body is not None else None,
                headers=headers,
                timeout=self._timeout,
                retries=False,
                redirect=False,
            )
        except (HTTPError, OSError) as error:
            return 0, str(error), None
        after = found.headers.get("Retry-After")
        self.date = found.headers.get("Date", "")
        return found.status, found.data.decode("utf-8", "replace"), float(after) if after and after.isdigit() else None

    def _object(self, text: str) -> Object:
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ClusterRefused(self._stranger("what it sends is no Kubernetes object"))
        return found

    def _stranger(self, why: str) -> str:
        return f"{self.host} does not answer as Kubernetes does ({why}): is the server right, and the login still good?"

    def _explained(self, method: str, path: str, status: int, text: str) -> XtlError:
        what = f"{method} {path.format(namespace=self.namespace)}"
        try:
            said = str(json.loads(text).get("message", text))
        except (ValueError, AttributeError):
            said = text.strip()
        if status == 0:
            return ClusterError(f"the API server at {self.host} does not answer: {said}")
        if status < 400:
            return ClusterRefused(self._stranger(f"status {status}"))
        if status == 401:
            return ClusterRefused(f"the API server at {self.host} does not know these credentials: log in again")
        if status == 403:
            return ClusterRefused(f"not allowed: {said}")
        if status in (400, 422) and method in ("POST", "PATCH"):
            return ClusterRefused(f"{what}: {said}")
        return ClusterError(f"{what}: {status} {said}", status)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole


def _context_namespace(files: str | None, context: str | None) -> str:
    from kubernetes import config

    contexts, active = config.list_kube_config_contexts(files)
    chosen = next((one for one in contexts if one["name"] == context), active)
    return str(chosen.get("context", {}).get("namespace") or "default")
