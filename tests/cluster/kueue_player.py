"""What the stand-in for Kueue does: see `kueue.py`, which also names the sources."""

from __future__ import annotations

import hashlib
from typing import Any

from tests.cluster.kueue_quota import (
    BYPASSED,
    Condition,
    Object,
    condition,
    gate,
    holds,
    missing,
    order,
    quota,
    requests,
    reserves,
    shape,
    untried,
    usage,
    victims,
    waits,
    with_conditions,
)
from xtl import render
from xtl.cluster import JOBS, WORKLOADS, Cluster

API = "/apis/kueue.x-k8s.io/v1beta2"
LOCAL = f"{API}/namespaces/{{namespace}}/localqueues"
CLUSTER = f"{API}/clusterqueues"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
_JOB_UID = "kueue.x-k8s.io/job-uid"
_PODSET = {"kueue.x-k8s.io/podset": "main"}


class Kueue:
    """A round lists everything and does what there is to do; nothing is kept between rounds."""

    def __init__(self) -> None:
        self.cluster = Cluster(tries=1)

    def round(self) -> None:
        self.local = {
            (x["metadata"]["namespace"], x["metadata"]["name"]): x for x in self.cluster.list(f"{API}/localqueues")
        }
        self.queues: dict[str, Object] = {x["metadata"]["name"]: x for x in self.cluster.list(CLUSTER)}
        self.jobs = self.cluster.list("/apis/batch/v1/jobs", selector=render.QUEUE)
        listed = self.cluster.list(f"{API}/workloads")
        self.workloads = {x["metadata"]["ownerReferences"][0]["uid"]: x for x in listed}
        for job in self.jobs:
            if not job["metadata"].get("deletionTimestamp"):
                self._job(job)
        for name, queue in self.queues.items():
            self._admit(name, queue)
        for workload in filter(waits, self.workloads.values()):
            self._lost(workload)
        self._tell()

    # -- a Job and its Workload (JobReconciler.ReconcileGenericJob) ---------------------------------------------------

    def _job(self, job: Object) -> None:
        uid, suspended = job["metadata"]["uid"], bool(job["spec"].get("suspend"))
        workload = self.workloads.get(uid)
        ended = next((x for x in job["status"].get("conditions") or []
                      if x["type"] in ("Complete", "Failed") and x["status"] == "True"), None)  # fmt: skip
        if ended:
            if workload and not holds(workload, "Finished"):
                reason = "Succeeded" if ended["type"] == "Complete" else "Failed"
                self._set(workload, [("Finished", True, reason, ended.get("message", ""))])
        elif workload is None:
            self._create(job)
        elif holds(workload, "Evicted"):
            self._stop(job)
            if holds(workload, "QuotaReserved") and not job["status"].get("active"):
                evicted = condition(workload, "Evicted")
                requeued = ("Requeued", True, evicted["reason"], evicted["message"])
                self._unreserve(workload, "PendingEvaluation", evicted["message"], requeued)
        elif suspended and holds(workload, "Admitted"):
            template = {"metadata": {"labels": _PODSET}}
            self._patch(job, {"spec": {"suspend": False, "template": template}})
        elif not suspended and not holds(workload, "Admitted"):
            self._stop(job)
        elif suspended:
            self._gate(workload, job)

    def _create(self, job: Object) -> None:
        meta, template = job["metadata"], job["spec"]["template"]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"],
                 "controller": True, "blockOwnerDeletion": True}  # fmt: skip
        name = template["spec"].get("priorityClassName")
        found = self.cluster.get(CLASSES, name) if name else None
        workload = {
            "apiVersion": "kueue.x-k8s.io/v1beta2",
            "kind": "Workload",
            "metadata": {
                "name": f"job-{meta['name'][:53]}-{hashlib.sha256(meta['uid'].encode()).hexdigest()[:5]}",
                "namespace": meta["namespace"],
                "ownerReferences": [owner],
                "labels": {_JOB_UID: meta["uid"]},
                "annotations": {render.GATE: gate(job)} if gate(job) else {},
            },
            "spec": {
                "queueName": meta["labels"][render.QUEUE],
                "priority": found["value"] if found else 0,
                "podSets": [{"name": "main", "count": 1, "template": {"spec": template["spec"]}}],
            },
        }
        self.cluster.create(WORKLOADS.format(namespace=meta["namespace"]), workload)

    def _gate(self, workload: Object, job: Object) -> None:
        """The Job's gates are the Workload's; a change of them shows in its condition."""
        now = gate(job)
        if now != gate(workload):
            self._change(workload, {"metadata": {"annotations": {render.GATE: now or None}}})
        gated = condition(workload, "QuotaReserved").get("reason") == "AdmissionGated"
        if now and not gated:
            self._unreserve(workload, "AdmissionGated", f"Admission is gated by: {now}")
        elif gated and not now:
            self._unreserve(workload, "PendingEvaluation", "AdmissionGatedBy cleared, waiting for quota reservation")

    def _stop(self, job: Object) -> None:
        """Suspended, its start time cleared so that its template can be changed, its template as it was."""
        if not job["spec"].get("suspend"):
            self._patch(job, {"spec": {"suspend": True}})
        if job["status"].get("startTime"):
            self._patch(job, {"status": {"startTime": None}}, "/status")
        if _PODSET.keys() & (job["spec"]["template"]["metadata"].get("labels") or {}).keys():
            self._patch(job, {"spec": {"template": {"metadata": {"labels": dict.fromkeys(_PODSET)}}}})

    # -- the scheduler ------------------------------------------------------------------------------------------------

    def _admit(self, name: str, queue: Object) -> None:
        """Everything that waits for this ClusterQueue, in order."""
        mine = [x for x in self.workloads.values() if waits(x) and self._queue_of(x) == name]
        failed: dict[str, str] = {}
        for workload in sorted(mine, key=order):
            if (like := shape(workload)) in failed and untried(workload):
                self._unreserve(workload, failed[like], BYPASSED)
                continue
            reserving = [x for x in self.workloads.values() if reserves(x, name)]
            reason, lacks = missing(queue, workload, reserving)
            if not lacks:
                self._reserve(workload, queue)
                continue
            message = f"couldn't assign flavors to pod set main: {', '.join(lacks)}"
            if go := victims(queue, workload, reserving):
                reason = "WaitingForPreemptedWorkloads"
                message += f". Pending the preemption of {len(go)} workload(s)"
            self._unreserve(workload, reason, message)
            if not go:
                failed[like] = reason
            for victim in go:
                self._evict(victim, workload, name)

    def _queue_of(self, workload: Object) -> str:
        local = self.local.get((workload["metadata"]["namespace"], workload["spec"]["queueName"]))
        return str(local["spec"]["clusterQueue"]) if local else ""

    def _lost(self, workload: Object) -> None:
        """Waits for a queue that is not there."""
        queue, local = self._queue_of(workload), workload["spec"]["queueName"]
        if queue not in self.queues:
            absent = f"ClusterQueue {queue}" if queue else f"LocalQueue {local}"
            self._unreserve(workload, "Misconfigured", f"{absent} doesn't exist")

    def _evict(self, victim: Object, by: Object, name: str) -> None:
        if holds(victim, "Evicted"):
            return
        uid, job = by["metadata"]["uid"], by["metadata"]["labels"][_JOB_UID]
        said = (
            f"Preempted to accommodate a workload (UID: {uid}, JobUID: {job}) due to prioritization in the "
            f"ClusterQueue; preemptor path: /{name}; preemptee path: /{name}"
        )
        self._set(victim, [("Evicted", True, "Preempted", said), ("Preempted", True, "InClusterQueue", said)])

    def _reserve(self, workload: Object, queue: Object) -> None:
        name, wanted = queue["metadata"]["name"], requests(workload)
        assigned = {
            "name": "main",
            "count": 1,
            "flavors": {resource: quota(queue)[resource][0] for resource in wanted},
            "resourceUsage": {resource: f"{value:f}" for resource, value in wanted.items()},
        }
        conditions = [
            ("QuotaReserved", True, "QuotaReserved", f"Quota reserved in ClusterQueue {name}"),
            ("Admitted", True, "Admitted", "The workload is admitted"),
        ]
        for kind in ("Evicted", "Preempted"):
            if holds(workload, kind):
                conditions.append((kind, False, "QuotaReserved", f"Previously: {condition(workload, kind)['message']}"))
        self._set(workload, conditions, admission={"clusterQueue": name, "podSetAssignments": [assigned]})

    # -- writing ------------------------------------------------------------------------------------------------------

    def _unreserve(self, workload: Object, reason: str, message: str, *others: Condition) -> None:
        none = ("Admitted", False, "NoReservation", "The workload has no reservation")
        self._set(workload, [("QuotaReserved", False, reason, message), none, *others], admission=None)

    def _set(self, workload: Object, new: list[Condition], **status: Any) -> None:
        """Nothing is written where all is so."""
        conditions = with_conditions(workload, new)
        if conditions != (workload.get("status") or {}).get("conditions"):
            self._change(workload, {"status": {"conditions": conditions, **status}}, "/status")

    def _change(self, workload: Object, change: Object, part: str = "") -> None:
        """Later steps of the round see it as it is then; gone with its Job, it counts for nothing."""
        path = WORKLOADS.format(namespace=workload["metadata"]["namespace"])
        found = self.cluster.patch(path, workload["metadata"]["name"] + part, change)
        workload.update(found or {"status": {}})

    def _patch(self, job: Object, change: Object, part: str = "") -> None:
        path = JOBS.format(namespace=job["metadata"]["namespace"])
        job.update(self.cluster.patch(path, job["metadata"]["name"] + part, change) or {})

    def _tell(self) -> None:
        """The queues' own status."""
        for queue in self.queues.values():
            self._status(CLUSTER, queue, ("Active", True, "Ready", "Can admit new workloads"))
        for (space, name), local in self.local.items():
            mine = [x for x in self.workloads.values()
                    if x["metadata"]["namespace"] == space and x["spec"]["queueName"] == name]  # fmt: skip
            behind = self.queues.get(local["spec"]["clusterQueue"])
            active = ("Active", True, "Ready", "Can submit new workloads to localQueue")
            if behind is None:
                active = ("Active", False, "ClusterQueueDoesNotExist", "Can't submit new workloads to clusterQueue")
            reserving = [x for x in mine if behind and reserves(x, behind["metadata"]["name"])]
            self._status(
                LOCAL.format(namespace=space),
                local,
                active,
                pendingWorkloads=sum(map(waits, mine)),
                reservingWorkloads=len(reserving),
                admittedWorkloads=sum(holds(x, "Admitted") for x in reserving),
                flavorsReservation=usage(behind, reserving) if behind else [],
                flavorsUsage=usage(behind, [x for x in reserving if holds(x, "Admitted")]) if behind else [],
            )

    def _status(self, path: str, queue: Object, active: Condition, **counts: Any) -> None:
        body = {"conditions": with_conditions(queue, [active]), **counts}
        if body != queue.get("status"):
            self.cluster.patch(path, f"{queue['metadata']['name']}/status", {"status": body})
