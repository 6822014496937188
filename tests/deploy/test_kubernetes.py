"""The manifests of deploy/kubernetes against the published schemas, and against what the package itself asks for."""

import importlib.util
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from jpasbatch.compute.clusters.kubernetes import KubernetesCluster
from jpasbatch.compute.clusters.kubernetes_manifest import USER, cluster_manifest
from jpasbatch.job.job import load_cluster

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
FILES = sorted(FOLDER.glob("*.yaml"))
DOCUMENTS = [(path.name, one) for path in FILES for one in yaml.safe_load_all(path.read_text())]
OWN = [(name, one) for name, one in DOCUMENTS if one["apiVersion"].startswith("kubernetes.dask.org/")]
NATIVE = [(name, one) for name, one in DOCUMENTS if (name, one) not in OWN]
VERSIONS = ("1.33", "1.34", "1.35", "1.36", "1.37")


def title(given: Any) -> str:
    return given if isinstance(given, str) else f"{given['kind']}-{given['metadata']['name']}"


def pods(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every pod within a manifest, wherever it is."""
    if isinstance(value, dict):
        if "containers" in value:
            yield value
        for inner in value.values():
            yield from pods(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from pods(inner)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("file", "manifest"), NATIVE, ids=title)
def test_manifests_are_what_kubernetes_takes(file, manifest, version):
    utils = pytest.importorskip(
        "kubernetes_validate.utils", reason="needs kubernetes-validate, of the extra 'test'"
    )
    if version not in {utils.major_minor(one) for one in utils.all_versions()}:
        pytest.skip(f"this kubernetes-validate does not know Kubernetes {version}")
    utils.validate(manifest, version, strict=True)


@cache
def custom_schemas() -> dict[str, dict[str, Any]]:
    """Return the schemas of the operator's resources, by kind."""
    found = importlib.util.find_spec("dask_kubernetes")
    if found is None or found.origin is None:
        pytest.skip("needs the resources of the Dask operator: pip install dask-kubernetes")
    charts = Path(found.origin).parent / "operator" / "deployment" / "helm"
    schemas = {}
    for path in sorted(charts.glob("*/crds/*.yaml")):
        definition = yaml.safe_load(path.read_text())
        for version in definition["spec"]["versions"]:
            kind = f"{definition['spec']['group']}/{version['name']} {definition['spec']['names']['kind']}"
            schemas[kind] = _closed(version["schema"]["openAPIV3Schema"])
    return schemas


def _closed(schema: Any) -> Any:
    """Return a schema that refuses keys which it does not name, as Kubernetes drops them silently."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or "spec" in schema["properties"]
        closed |= {} if open_ended else {"additionalProperties": False}
    return closed


def built() -> list[tuple[str, dict[str, Any]]]:
    full = KubernetesCluster(
        "a/b:1", workers=3, volume_claim="x", credentials="y", gpus=1, node_selector={"a": "b"}
    )
    plain = KubernetesCluster("a/b:1")
    return [("built", cluster_manifest(one.pods("run", "space"))) for one in (full, plain)]


@pytest.mark.parametrize(("file", "manifest"), [*OWN, *built()], ids=title)
def test_resources_are_what_the_operator_takes(file, manifest):
    schemas = custom_schemas()
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(manifest, schemas[f"{manifest['apiVersion']} {manifest['kind']}"])


def test_a_misspelt_key_would_be_seen():
    schemas = custom_schemas()
    jsonschema = pytest.importorskip("jsonschema")
    manifest = built()[0][1]
    manifest["spec"]["worker"]["spec"]["containers"][0]["enf"] = []
    with pytest.raises(jsonschema.ValidationError, match="enf"):
        jsonschema.validate(manifest, schemas[f"{manifest['apiVersion']} {manifest['kind']}"])


@pytest.mark.parametrize(("file", "manifest"), [*DOCUMENTS, *built()], ids=title)
def test_every_pod_is_hardened(file, manifest):
    for pod in pods(manifest):
        about = pod["securityContext"]
        assert about["runAsNonRoot"] is True
        assert about["runAsUser"] == USER
        assert about["seccompProfile"] == {"type": "RuntimeDefault"}
        assert "hostNetwork" not in pod
        asks = pod.get("serviceAccountName") is not None
        assert pod["automountServiceAccountToken"] is asks  # who asks nothing of Kubernetes has no token
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            assert not container["image"].endswith(":latest")
            assert ":" in container["image"]


def test_a_dask_job_has_the_cluster_that_the_package_would_ask_for():
    ((_, job),) = [one for one in OWN if one[1]["kind"] == "DaskJob"]
    options = KubernetesCluster(
        "registry.example.org/jpasbatch:0.3.0", workers=8, volume_claim="jpasbatch-data"
    )
    asked = cluster_manifest(options.pods("jpasbatch-update", "jpasbatch"))
    assert job["spec"]["cluster"]["spec"] == asked["spec"]


def test_cluster_files_load(tmp_path):
    assert load_cluster(FOLDER / "cluster.toml").kind == "kubernetes"
    assert load_cluster(FOLDER / "address.toml").kind == "address"
    (shown,) = [one for _, one in DOCUMENTS if one["metadata"]["name"] == "jpasbatch-job"]
    (tmp_path / "cluster.toml").write_text(shown["data"]["cluster.toml"])
    assert load_cluster(tmp_path / "cluster.toml").kind == "kubernetes"


def test_one_version_of_the_image_everywhere():
    texts = [path.read_text() for path in (*FILES, *FOLDER.glob("*.toml"), FOLDER / "README.md")]
    assert len(set(re.findall(r"/jpasbatch:([\w.]+)", "\n".join(texts)))) == 1


def test_the_driver_may_do_what_it_does_and_no_more():
    rules = {one["metadata"]["name"]: one["rules"] for _, one in DOCUMENTS if one["kind"] == "Role"}
    assert not any(one["kind"].startswith("Cluster") for _, one in DOCUMENTS)
    allowed = {
        resource: rule["verbs"] for rule in rules["jpasbatch-driver"] for resource in rule["resources"]
    }
    assert allowed == {"daskclusters": ["create", "get", "delete"], "secrets": ["create"]}


def test_exit_codes_that_need_a_person_end_a_job():
    ((_, cron),) = [
        one
        for one in DOCUMENTS
        if one[1]["metadata"]["name"] == "jpasbatch-update" and "schedule" in one[1]["spec"]
    ]
    rule = cron["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"][0]
    assert rule["action"] == "FailJob"
    assert rule["onExitCodes"]["values"] == [1, 2, 3, 4]  # and 75 is tried again


def test_the_starter_compiles():
    (code,) = [
        one["data"]["start.py"]
        for _, one in DOCUMENTS
        if one["metadata"]["name"] == "jpasbatch-starter" and "data" in one
    ]
    compile(code, "start.py", "exec")


def test_the_image_is_pinned_and_without_root():
    lines = (FOLDER / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER")] == [f"USER {USER}:{USER}"]
    (python,) = [line for line in lines if line.startswith("ARG PYTHON=")]
    assert re.fullmatch(r"ARG PYTHON=3\.\d+\.\d+-slim-\w+", python)
    project = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text())["project"]
    (extras,) = [line.partition("=")[2] for line in lines if line.startswith("ARG EXTRAS=")]
    assert set(extras.split(",")) <= project["optional-dependencies"].keys()
    for line in lines:
        for source in re.findall(r"^COPY ((?!--)[^\s].*) \S+$", line):
            assert all((FOLDER.parents[1] / one).exists() for one in source.split()), line
