"""Validates the manifests on standard input, strictly, against the schemas of the
three newest minor versions of Kubernetes that there are, and prints how many. Of the
kinds that operators define there are no schemas here."""

import sys

import kubernetes_validate
import yaml
from packaging.version import Version

versions = {".".join(v.split(".")[:2]) for v in kubernetes_validate.utils.all_versions()}
newest = sorted(versions, key=Version)[-3:]
CUSTOM = ("cert-manager.io/", "gateway.networking.k8s.io/", "keda.sh/", "monitoring.coreos.com/")
manifests = [manifest for manifest in yaml.safe_load_all(sys.stdin)
             if not manifest["apiVersion"].startswith(CUSTOM)]
for manifest in manifests:
    for version in newest:
        kubernetes_validate.validate(manifest, version, strict=True)
print(f"{len(manifests)} manifests, {len(newest)} versions")
