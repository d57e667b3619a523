from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.store.remote_location import RemoteError, RemoteLocation, remote_location

# no configuration of the machine's own user
NOWHERE = {"DVC_GLOBAL_CONFIG_DIR": "/nonexistent", "DVC_SYSTEM_CONFIG_DIR": "/nonexistent"}


def locate(project: Path, **environment: str) -> RemoteLocation | None:
    return remote_location(project, {**NOWHERE, **environment})


def found(project: Path, **environment: str) -> RemoteLocation:
    location = locate(project, **environment)
    assert location is not None
    return location


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project/.dvc").mkdir(parents=True)
    return tmp_path / "project"


def write_dvc(project: Path, options: str, name: str = "config", remote: str = "store") -> None:
    core = "[core]\n    remote = store\n" if name == "config" else ""
    text = f"{core}['remote \"{remote}\"']\n" + "".join(f"    {line}\n" for line in options.splitlines())
    (project / ".dvc" / name).write_text(text)


def test_no_remote_unless_one_is_configured(project: Path) -> None:
    assert locate(project) is None
    write_dvc(project, "url = /mnt/share", remote="another")
    with pytest.raises(RemoteError, match="has no url"):
        locate(project)


def test_the_variable_wins_and_none_switches_off(project: Path) -> None:
    write_dvc(project, "url = /mnt/share")
    assert found(project).root == "/mnt/share/domainlm"
    assert found(project, DOMAINLM_REMOTE="cache").root == str(project / "cache")
    assert found(project, DOMAINLM_REMOTE="file:///mnt/cache").root == "/mnt/cache"
    assert locate(project, DOMAINLM_REMOTE="none") is None


def test_a_relative_url_is_relative_to_the_file_that_has_it(project: Path, tmp_path: Path) -> None:
    write_dvc(project, "url = ../../share")
    assert found(project).root == str(tmp_path / "share/domainlm")
    assert found(project).anchor == str(tmp_path / "share")
    temporary = project / ".dvc/tmp/exps/abc"
    (temporary / ".dvc").mkdir(parents=True)
    write_dvc(temporary, "url = ../../share")
    assert found(temporary).root == str(tmp_path / "share/domainlm")


def test_the_clone_s_own_file_wins(project: Path) -> None:
    write_dvc(project, "url = s3://bucket/dvc\nregion = eu-west-1")
    write_dvc(project, "url = s3://mine/dvc/\nendpointurl = https://minio:9000\nprofile = me", "config.local")
    location = found(project)
    assert (location.root, location.address) == ("mine/dvc/domainlm", "s3://mine/dvc/domainlm")
    assert location.options["endpoint_url"] == "https://minio:9000"
    assert location.options["profile"] == "me"
    assert location.options["client_kwargs"] == {"region_name": "eu-west-1"}


def test_secrets_of_dvc_s_files_are_named_and_not_used(project: Path) -> None:
    write_dvc(project, "url = s3://bucket/dvc")
    write_dvc(project, "access_key_id = IDENTITY\nsecret_access_key = 'hidden-value'", "config.local")
    location = found(project)
    assert [option.split()[0] for option in location.ignored] == ["access_key_id", "secret_access_key"]
    assert "hidden-value" not in f"{location!r}{location}{dict(location.options)}"


def test_user_and_password_of_a_url_are_not_shown(project: Path) -> None:
    location = found(project, DOMAINLM_REMOTE="https://me:hidden-value@host:8443/cache")
    assert location.root == "https://host:8443/cache"
    assert location.options == {"user": "me", "password": "hidden-value"}
    assert "hidden-value" not in f"{location!r}{location}"
    write_dvc(project, "url = ssh://me:hidden-value@host:2222/srv/dvc\nkeyfile = ~/.ssh/other")
    location = found(project)
    assert "hidden-value" not in f"{location!r}{location}{dict(location.options)}"
    assert (location.root, location.ignored) == ("/srv/dvc/domainlm", ("the password in url",))
    assert (location.options["username"], location.options["port"], location.options["host"]) == ("me", 2222, "host")
    assert location.options["client_keys"] == [str(Path("~/.ssh/other").expanduser())]


def test_host_keys_are_checked(project: Path) -> None:
    # sshfs's own default, None, checks nothing
    assert found(project, DOMAINLM_REMOTE="ssh://host/srv")
    assert found(project, DOMAINLM_REMOTE="ssh://host/srv").options["known_hosts"] == ()


def test_another_kind_of_address_is_refused_with_the_way_round_it(project: Path) -> None:
    with pytest.raises(RemoteError, match=r"gs address; expected a folder, s3://.*DOMAINLM_REMOTE=none"):
        locate(project, DOMAINLM_REMOTE="gs://bucket/x")
