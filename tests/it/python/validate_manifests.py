"""Validates the files with manifests strictly against the schemas of the three newest minor
versions of Kubernetes, and prints the number of manifests. Kinds that operators define are left
out, because there are no schemas for them here."""

import sys

import kubernetes_validate
import yaml
from packaging.version import Version

versions = {".".join(v.split(".")[:2]) for v in kubernetes_validate.utils.all_versions()}
newest = sorted(versions, key=Version)[-3:]
CUSTOM = ("cert-manager.io/", "gateway.networking.k8s.io/", "keda.sh/", "monitoring.coreos.com/")
validated = 0
for file in sys.argv[1:]:
    with open(file, encoding="utf-8") as text:
        manifests = [manifest for manifest in yaml.safe_load_all(text)
                     if manifest and not manifest["apiVersion"].startswith(CUSTOM)]
    for manifest in manifests:
        for version in newest:
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                sys.exit(f"{file}, {manifest['kind']}, Kubernetes {version}: {error.message}")
    validated += len(manifests)
print(f"{validated} manifests, {len(newest)} versions")
