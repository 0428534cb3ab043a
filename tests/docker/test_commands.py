"""The commands of docker/README.md: their services, files, database and user are those of the compose files."""

import re
import shlex
from pathlib import Path

import yaml
from sqlalchemy import make_url

FOLDER = Path(__file__).parents[2] / "docker"
TEXT = (FOLDER / "README.md").read_text()
ALONE, WITH_RAY = (
    yaml.safe_load((FOLDER / name).read_text())["services"] for name in ("compose.yaml", "compose.ray.yaml")
)


def test_the_readmes_commands_name_services_and_files_that_are_there():
    used = [shlex.split(line)[4] for line in re.findall(r"docker compose run --rm \w+ [\w ]+", TEXT)]
    used += re.findall(r"--scale ([\w-]+)=", TEXT)
    assert {"study", "ray-worker"} <= set(used) <= {*ALONE, *WITH_RAY}
    files = set(re.findall(r"-f (\S+)", TEXT))
    assert {"compose.yaml", "compose.ray.yaml"} == files
    assert all((FOLDER / name).exists() for name in files)


def test_the_upgrade_is_of_the_database_that_the_server_uses_and_copies_it_first():
    (service,) = re.findall(r"docker compose run --rm (\w+) upgrade\b", TEXT)
    assert "entrypoint" not in ALONE[service]  # else `upgrade` would be no argument of the image's program, `study`
    assert 'ENTRYPOINT ["study"]' in (FOLDER / "Dockerfile").read_text()
    used = make_url(ALONE[service]["environment"]["STUDY_DATABASE"])
    (copied,) = re.findall(r"docker compose exec -T (\w+) pg_dump -U (\w+) (\w+) >", TEXT)
    assert copied == (used.host, used.username, used.database)
    assert TEXT.index(f"docker compose stop {service} ") < TEXT.index("pg_dump") < TEXT.index("upgrade ")


def test_the_folder_for_networks_of_ones_own_is_mounted_where_commands_run():
    (path,) = re.findall(r'model="(studies)/_nets\.py:Net"', TEXT)
    assert "WORKDIR /app\n" in (FOLDER / "Dockerfile").read_text()
    for service in ("serve", "study"):
        assert f"../studies:/app/{path}:ro" in ALONE[service]["volumes"]
