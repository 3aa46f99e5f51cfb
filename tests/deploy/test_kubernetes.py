"""Conduit on several machines, as far as it can be checked without any: schemas, names, rights, addresses."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer.core
import yaml
from typer.main import get_command

from chassis.config import FROM_FILE, PREFIX, Settings
from contracts.topology import SERVICES
from services.__main__ import app
from services.deploying import make_secrets
from services.installation import Installation
from services.start import begin

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"

#: Of operators that are not ours, with the versions of their interfaces.
FOREIGN = {("RabbitmqCluster", "rabbitmq.com/v1beta1"), ("Cluster", "postgresql.cnpg.io/v1")}

#: The version of Kubernetes whose schema it is held to.
VERSION = "1.34"


def read(path: Path) -> Any:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def resources(folder: Path) -> list[dict[str, Any]]:
    (kustomization,) = read(folder / "kustomization.yaml")
    listed = kustomization["resources"]
    assert {*listed, "kustomization.yaml"} == {path.name for path in folder.iterdir() if path.is_file()}
    return [each for name in listed for each in read(folder / name)]


#: What is there always, and what is there while somebody types commands.
ALL = [*resources(FOLDER), *resources(FOLDER / "ops")]
NAMED = {(each["kind"], each["metadata"]["name"]): each for each in ALL}


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every template of a pod of ours, by the name of what makes it."""
    for (kind, name), each in NAMED.items():
        if kind == "Pod":
            yield name, each
        if kind in ("Deployment", "Job"):
            yield name, each["spec"]["template"]
        if kind == "CronJob":
            yield name, each["spec"]["jobTemplate"]["spec"]["template"]


PODS = dict(pods())


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, set[str]]:
    """What `conduit deploy init` makes: the files of each secret, by the names that the map gives them."""
    home = tmp_path_factory.mktemp("home")
    installation = Installation(Settings(home=home))
    begin(installation, name="Harbour", email="office@harbour.example", person="Ana")
    folder = make_secrets(installation)
    found = {"secrets": {path.name for path in folder.iterdir() if path.is_file()}}
    folders = [path for path in folder.iterdir() if path.is_dir()]
    return found | {path.name: {each.name for each in path.iterdir()} for path in folders}


@pytest.mark.parametrize("each", ALL, ids=lambda each: f"{each['kind']} {each['metadata']['name']}")
def test_each_is_as_its_schema_has_it(each: dict[str, Any]) -> None:
    if (each["kind"], each["apiVersion"]) in FOREIGN:
        assert each["metadata"]["name"]
        assert each["spec"]
    else:
        kubernetes_validate.validate(each, VERSION, strict=True)


def test_nothing_is_said_twice_and_everybody_is_served() -> None:
    assert len(NAMED) == len(ALL)
    for service in SERVICES:
        needed = ("Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler")
        assert {(kind, service) for kind in needed} <= NAMED.keys()
        assert ("Job", f"migrate-{service}") in NAMED
        labels = PODS[service]["metadata"]["labels"].items()
        for kind in ("Deployment", "PodDisruptionBudget"):
            assert NAMED[kind, service]["spec"]["selector"]["matchLabels"].items() <= labels
        assert NAMED["Service", service]["spec"]["selector"].items() <= labels
        assert NAMED["HorizontalPodAutoscaler", service]["spec"]["scaleTargetRef"]["name"] == service
        assert NAMED["HorizontalPodAutoscaler", service]["spec"]["minReplicas"] > 1


@pytest.mark.parametrize("name", PODS)
def test_no_pod_can_do_more_than_it_must(name: str) -> None:
    spec = PODS[name]["spec"]
    (container,) = spec["containers"]
    assert container["image"] == "conduit"
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()


@pytest.mark.parametrize("name", PODS)
def test_each_pod_is_given_what_is_there_and_names_it_rightly(
    name: str, secrets: Mapping[str, set[str]]
) -> None:
    """Every file of a secret is one that is made, every setting one that there is, every command known."""
    spec = PODS[name]["spec"]
    (container,) = spec["containers"]
    volumes = {each["name"]: each for each in spec["volumes"]}
    mounted = {each["mountPath"]: volumes[each["name"]] for each in container["volumeMounts"]}
    assert {volume["name"] for volume in mounted.values()} == volumes.keys()
    given = set()
    for volume in mounted.values():
        if "secret" in volume:
            items = volume["secret"].get("items", [])
            assert {item["key"] for item in items} <= secrets[volume["secret"]["secretName"]]
            given |= {f"/run/secrets/conduit/{item['path']}" for item in items}
        for source in volume.get("projected", {}).get("sources", []):
            assert source["secret"]["name"] in secrets
    variables = {each["name"]: each["value"] for each in container.get("env", [])}
    assert {value for key, value in variables.items() if key.endswith(FROM_FILE)} == given
    settings = {PREFIX + field.upper() for field in Settings.__dataclass_fields__}
    if container.get("envFrom"):
        variables |= NAMED["ConfigMap", "settings"]["data"]
    assert {key if key in settings else key.removesuffix(FROM_FILE) for key in variables} <= settings
    command = get_command(app)
    assert isinstance(command, typer.core.TyperGroup)
    assert name == "ops" or container["args"][0] in command.commands
    # Where it writes it may, and backups and their keys go to two places.
    kept = {
        path for path, each in zip(mounted, container["volumeMounts"], strict=True) if "readOnly" not in each
    }
    written = {text for name, text in variables.items() if name.endswith("BACKUP_TO") or "KEYS_TO" in name}
    assert {"/var/lib/conduit", container.get("workingDir", "/var/lib/conduit"), *written} <= kept
    claims = {mounted[place]["persistentVolumeClaim"]["claimName"] for place in written}
    assert len(claims) == len(written) == (2 if name in {"backup", "ops"} else 0)
    assert {("PersistentVolumeClaim", claim) for claim in claims} <= NAMED.keys()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_its_own_keys_and_passwords_and_no_others(service: str) -> None:
    volumes = {each["name"]: each for each in PODS[service]["spec"]["volumes"]}
    assert volumes["keys"]["secret"]["secretName"] == f"keys-{service}"
    keys = {item["key"] for item in volumes["secrets"]["secret"]["items"]}
    mail = {"smtp-url", "imap-url"} if service == "notifications" else set()
    assert keys == {f"{service}-database-url", f"{service}-broker-url"} | mail
    spec = PODS[service]["spec"]
    data = NAMED["ConfigMap", "settings"]["data"]
    handled, grace = float(data["CONDUIT_HANDLER_TIMEOUT"]), float(data["CONDUIT_GRACE"])
    assert handled < grace < spec["terminationGracePeriodSeconds"]


def test_what_was_sent_outlives_every_pod_and_is_shared() -> None:
    assert NAMED["PersistentVolumeClaim", "ledger"]["spec"]["accessModes"] == ["ReadWriteMany"]
    (container,) = PODS["notifications"]["spec"]["containers"]
    assert {"name": "CONDUIT_LEDGER", "value": "/ledger"} in container["env"]


def test_commands_are_typed_in_the_same_image_and_not_for_ever() -> None:
    images = [read(folder / "kustomization.yaml")[0]["images"] for folder in (FOLDER, FOLDER / "ops")]
    assert images[0] == images[1]
    assert NAMED["Pod", "ops"]["spec"]["activeDeadlineSeconds"] <= 8 * 3600


def test_nobody_reaches_anybody_but_for_what_is_written() -> None:
    policies = {name: each["spec"] for (kind, name), each in NAMED.items() if kind == "NetworkPolicy"}
    assert policies["nothing"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    labels = [template["metadata"]["labels"] for template in PODS.values()]
    for name, spec in policies.items():
        chosen = spec["podSelector"].get("matchLabels", {})
        foreign = "cnpg.io/cluster" in chosen or chosen.get("app.kubernetes.io/name") == "rabbitmq"
        assert foreign or any(chosen.items() <= each.items() for each in labels), name
