"""The fields of cluster files that we know: KubeRay's in full, Kubernetes' by name, Ray's own.

A closed model: a name that is not here is a finding, for a misspelt field is ignored by some
readers and refused by others. Types are strict, as the API server's are: "0" is not 0. What is
below `Any` belongs to Kubernetes and is left to it.
"""

from collections.abc import Mapping
from types import GenericAlias
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

Texts = dict[str, str]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]


class Closed(BaseModel):
    """Knows its fields and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _model(name: str, optional: Mapping[str, Any], required: Mapping[str, Any] = {}) -> Any:
    fields: dict[str, Any] = {key: (kind, ...) for key, kind in required.items()}
    fields |= {key: (kind, None) for key, kind in optional.items()}
    return create_model(name, __base__=Closed, **fields)


def _many(model: Any, least: int = 0) -> Any:
    return Annotated[GenericAlias(list, (model,)), Field(min_length=least)]


def _by_name(model: Any) -> Any:
    return GenericAlias(dict, (str, model))


Metadata = _model(
    "Metadata",
    {
        "name": str,
        "namespace": str,
        "labels": Texts,
        "annotations": Texts,
        "finalizers": list[str],
    },
)

Resources = _model(
    "Resources",
    {
        "requests": dict[str, Any],
        "limits": dict[str, Any],
        "claims": list[Any],
    },
)

Container = _model(
    "Container",
    {
        "image": str,
        "imagePullPolicy": Literal["Always", "IfNotPresent", "Never"],
        "args": list[str],
        "command": list[str],
        "env": list[dict[str, Any]],
        "envFrom": list[dict[str, Any]],
        "resources": Resources,
        "securityContext": dict[str, Any],
        "ports": list[dict[str, Any]],
        "volumeMounts": list[dict[str, Any]],
        "volumeDevices": list[Any],
        "lifecycle": Any,
        "livenessProbe": Any,
        "readinessProbe": Any,
        "startupProbe": Any,
        "resizePolicy": Any,
        "restartPolicy": str,
        "restartPolicyRules": Any,
        "stdin": bool,
        "stdinOnce": bool,
        "terminationMessagePath": str,
        "terminationMessagePolicy": str,
        "tty": bool,
        "workingDir": str,
    },
    required={
        "name": str,
    },
)

PodSpec = _model(
    "PodSpec",
    {
        "initContainers": _many(Container),
        "ephemeralContainers": list[Any],
        "restartPolicy": Literal["Always", "OnFailure", "Never"],
        "serviceAccountName": str,
        "serviceAccount": str,
        "automountServiceAccountToken": bool,
        "imagePullSecrets": list[Any],
        "securityContext": dict[str, Any],
        "tolerations": list[dict[str, Any]],
        "nodeSelector": Texts,
        "nodeName": str,
        "affinity": Any,
        "topologySpreadConstraints": list[Any],
        "volumes": list[dict[str, Any]],
        "terminationGracePeriodSeconds": Count,
        "activeDeadlineSeconds": Count,
        "priorityClassName": str,
        "priority": int,
        "preemptionPolicy": str,
        "runtimeClassName": str,
        "schedulerName": str,
        "schedulingGates": list[Any],
        "schedulingGroup": Any,
        "readinessGates": list[Any],
        "resourceClaims": list[Any],
        "resources": Resources,
        "overhead": dict[str, Any],
        "os": Any,
        "dnsConfig": Any,
        "dnsPolicy": str,
        "enableServiceLinks": bool,
        "hostAliases": list[Any],
        "hostIPC": bool,
        "hostNetwork": bool,
        "hostPID": bool,
        "hostUsers": bool,
        "hostname": str,
        "hostnameOverride": str,
        "setHostnameAsFQDN": bool,
        "shareProcessNamespace": bool,
        "subdomain": str,
    },
    required={
        "containers": _many(Container, 1),
    },
)

Pod = _model(
    "Pod",
    {
        "metadata": Metadata,
    },
    required={
        "spec": PodSpec,
    },
)

HeadGroup = _model(
    "HeadGroup",
    {
        "rayStartParams": Texts,
        "resources": Texts,
        "labels": Texts,
        "serviceType": Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"],
        "headService": Any,
        "enableIngress": bool,
        "ingressOptions": Any,
    },
    required={
        "template": Pod,
    },
)

WorkerGroup = _model(
    "WorkerGroup",
    {
        "replicas": Count,
        "numOfHosts": Positive,
        "rayStartParams": Texts,
        "resources": Texts,
        "labels": Texts,
        "idleTimeoutSeconds": Count,
        "priority": int,
        "suspend": bool,
        "scaleStrategy": Any,
    },
    required={
        "groupName": str,
        "template": Pod,
        "minReplicas": Count,
        "maxReplicas": Count,
    },
)

Autoscaler = _model(
    "Autoscaler",
    {
        "version": Literal["v1", "v2"],
        "upscalingMode": Literal["Default", "Aggressive", "Conservative"],
        "idleTimeoutSeconds": Count,
        "resources": Resources,
        "securityContext": dict[str, Any],
        "image": str,
        "imagePullPolicy": Literal["Always", "IfNotPresent", "Never"],
        "args": list[str],
        "command": list[str],
        "env": list[dict[str, Any]],
        "envFrom": list[dict[str, Any]],
        "volumeMounts": list[dict[str, Any]],
    },
)

Authentication = _model(
    "Authentication",
    {
        "mode": Literal["token", "disabled"],
        "secretName": str,
        "enableK8sTokenAuth": bool,
    },
)

Cluster = _model(
    "Cluster",
    {
        "workerGroupSpecs": _many(WorkerGroup),
        "rayVersion": str,
        "authOptions": Authentication,
        "autoscalerOptions": Autoscaler,
        "enableInTreeAutoscaling": bool,
        "suspend": bool,
        "managedBy": str,
        "gcsFaultToleranceOptions": Any,
        "headServiceAnnotations": Texts,
        "historyServerOptions": Any,
        "networkPolicy": Any,
        "tlsOptions": Any,
        "upgradeStrategy": Any,
    },
    required={
        "headGroupSpec": HeadGroup,
    },
)

Job = _model(
    "Job",
    {
        "entrypoint": str,
        "rayClusterSpec": Cluster,
        "clusterSelector": Texts,
        "submissionMode": Literal["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"],
        "shutdownAfterJobFinishes": bool,
        "ttlSecondsAfterFinished": Count,
        "activeDeadlineSeconds": Positive,
        "preRunningDeadlineSeconds": Positive,
        "backoffLimit": Count,
        "suspend": bool,
        "jobId": str,
        "managedBy": str,
        "metadata": Texts,
        "runtimeEnvYAML": str,
        "entrypointNumCpus": float,
        "entrypointNumGpus": float,
        "entrypointResources": str,
        "submitterPodTemplate": Pod,
        "submitterConfig": Any,
        "deletionStrategy": Any,
    },
)

PodMonitor = _model(
    "PodMonitor",
    {
        "namespaceSelector": dict[str, Any],
        "jobLabel": str,
        "podTargetLabels": list[str],
    },
    required={
        "selector": dict[str, Any],
        "podMetricsEndpoints": _many(dict[str, Any], 1),
    },
)


def _kind(version: str, kind: str, **own: Any) -> Any:
    """Return what every object of Kubernetes has, and its own fields."""
    named = {"apiVersion": Literal[version], "kind": Literal[kind], "metadata": Metadata}
    return _model(kind, {}, required=named | own)


NodeType = _model(
    "NodeType",
    {
        "min_workers": Count,
        "max_workers": Count,
        "labels": Texts,
        "idle_timeout_s": float,
        "priority": int,
        "initialization_commands": list[str],
        "worker_setup_commands": list[str],
        "docker": dict[str, Any],
    },
    required={
        "resources": dict[str, Count],
        "node_config": dict[str, Any],
    },
)

RayUp = _model(
    "RayUp",
    {
        "upscaling_speed": float,
        "idle_timeout_minutes": float,
        "auth": dict[str, Any],
        "docker": dict[str, Any],
        "file_mounts": Texts,
        "cluster_synced_files": list[str],
        "file_mounts_sync_continuously": bool,
        "rsync_exclude": list[str],
        "rsync_filter": list[str],
        "metadata": Any,
        "no_restart": bool,
        "initialization_commands": list[str],
        "setup_commands": list[str],
        "head_setup_commands": list[str],
        "worker_setup_commands": list[str],
        "head_start_ray_commands": list[str],
        "worker_start_ray_commands": list[str],
    },
    required={
        "cluster_name": str,
        "provider": dict[str, Any],
        "available_node_types": _by_name(NodeType),
        "head_node_type": str,
        "max_workers": Count,
    },
)

MODELS: dict[str, Any] = {
    "RayJob": _kind("ray.io/v1", "RayJob", spec=Job),
    "RayCluster": _kind("ray.io/v1", "RayCluster", spec=Cluster),
    "PodMonitor": _kind("monitoring.coreos.com/v1", "PodMonitor", spec=PodMonitor),
    "ConfigMap": _kind("v1", "ConfigMap", data=Texts),
    "ray-up": RayUp,
}
