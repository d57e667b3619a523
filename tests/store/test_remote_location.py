from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from material.checkout import NO_DVC_SETTINGS

from domainlm.store.location import LocationError
from domainlm.store.remote_location import RemoteError, RemoteLocation, remote_location

# no configuration of the machine's own user


def locate(project: Path, **environment: str) -> RemoteLocation | None:
    return remote_location(project, {**NO_DVC_SETTINGS, **environment})


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


@pytest.mark.parametrize(
    ("address", "instead"),
    [
        ("https://me:hidden-value@host:8443/cache", "netrc"),
        # what the parser takes for a port, a query, a fragment, an address in brackets
        ("https://me:hidden/value@host/cache", "netrc"),
        ("https://me:hidden?value@host/cache", "netrc"),
        ("https://me:hidden#value@host/cache", "netrc"),
        ("https://me:hidden[value@host/cache", "netrc"),
        ("https://me:hid@den@value@host/cache", "netrc"),
        ("https://hidden-value@host/cache", "netrc"),
        ("https://host/cache?X-Amz-Signature=hidden-value", "netrc"),
        ("https://host/cache#access_token=hidden-value", "netrc"),
        ("s3://hidden:value@bucket/cache", "AWS_ACCESS_KEY_ID"),
        ("ssh://me:hidden-value@host:2222/srv", "SSH agent"),
        ("sftp://me:hidden/value@host/srv", "SSH agent"),
        ("ssh://ghp_hiddenvalue0123456789@host/srv", "SSH agent"),
        ("gs://me:hidden-value@bucket/x", "environment"),
    ],
)
def test_an_address_with_a_secret_is_refused_with_the_way_to_give_it(project: Path, address: str, instead: str) -> None:
    with pytest.raises(RemoteError, match=instead) as raised:
        locate(project, DOMAINLM_REMOTE=address)
    trace = "".join(traceback.format_exception(raised.value))
    assert "hidden" not in trace
    assert "value@" not in trace


def test_an_address_that_cannot_be_read_is_not_quoted(project: Path) -> None:
    for address in ("https://host:hidden-value/x", "https://[hidden-value/x", "ssh://me@host:hidden-value/x"):
        with pytest.raises(RemoteError, match="DOMAINLM_REMOTE") as raised:
            locate(project, DOMAINLM_REMOTE=address)
        assert "hidden" not in "".join(traceback.format_exception(raised.value))


def test_a_password_in_dvc_s_url_is_named_and_not_used(project: Path) -> None:
    for password in ("hidden-value", "hid%2Fden%20value"):
        write_dvc(project, f"url = ssh://me:{password}@host:2222/srv/dvc\nkeyfile = ~/.ssh/other")
        location = found(project)
        assert "hid" not in f"{location!r}{location}{dict(location.options)}"
        assert (location.root, location.ignored) == ("/srv/dvc/domainlm", ("the password in url",))
        assert (location.options["username"], location.options["port"], location.options["host"]) == (
            "me",
            2222,
            "host",
        )
        assert location.options["client_keys"] == [str(Path("~/.ssh/other").expanduser())]
    write_dvc(project, "url = https://me:hidden-value@host/dvc")
    assert found(project).address == "https://host/dvc/domainlm"
    write_dvc(project, "url = s3://hidden:value@bucket/dvc\nendpointurl = https://hidden:value@minio:9000")
    location = found(project)
    assert (location.root, location.address) == ("bucket/dvc/domainlm", "s3://bucket/dvc/domainlm")
    assert location.ignored == ("the password in url", "endpointurl, which holds credentials")
    assert "hidden" not in f"{location!r}{location}{dict(location.options)}"
    write_dvc(project, "url = https://me:hidden/value@host/dvc")
    with pytest.raises(RemoteError, match="DVC remote 'store' is no address") as raised:
        locate(project)
    assert "hidden" not in "".join(traceback.format_exception(raised.value))


def test_a_file_of_dvc_s_that_cannot_be_read_is_not_quoted(project: Path) -> None:
    write_dvc(project, "url = /mnt/share")
    (project / ".dvc/config.local").write_text("['remote \"store\"']\npassword hidden-value\n")
    with pytest.raises(LocationError, match=r"config\.local, line 2: not in DVC's format") as raised:
        locate(project)
    assert "hidden" not in "".join(traceback.format_exception(raised.value))


def test_a_user_of_ssh_is_no_secret(project: Path) -> None:
    location = found(project, DOMAINLM_REMOTE="ssh://me@host:2222/srv/a@b")
    assert (location.options["username"], location.root) == ("me", "/srv/a@b")
    assert found(project, DOMAINLM_REMOTE="https://host:8443/cache").root == "https://host:8443/cache"


def test_host_keys_are_checked(project: Path) -> None:
    # sshfs's own default, None, checks nothing
    assert found(project, DOMAINLM_REMOTE="ssh://host/srv")
    assert found(project, DOMAINLM_REMOTE="ssh://host/srv").options["known_hosts"] == ()


def test_another_kind_of_address_is_refused_with_the_way_round_it(project: Path) -> None:
    with pytest.raises(RemoteError, match=r"gs address; expected a folder, s3://.*DOMAINLM_REMOTE=none"):
        locate(project, DOMAINLM_REMOTE="gs://bucket/x")


def test_an_address_in_numbers_keeps_its_brackets(project: Path) -> None:
    assert found(project, DOMAINLM_REMOTE="https://[::1]:8443/x").root == "https://[::1]:8443/x"
    assert found(project, DOMAINLM_REMOTE="ssh://[::1]/x").options["host"] == "::1"


@pytest.mark.parametrize("address", ["http://", "https:///x", "s3://", "ssh:///x"])
def test_an_address_without_a_host_is_refused(project: Path, address: str) -> None:
    with pytest.raises(RemoteError, match="DOMAINLM_REMOTE has no host or bucket"):
        locate(project, DOMAINLM_REMOTE=address)


def test_a_port_that_is_none_is_not_quoted(project: Path) -> None:
    write_dvc(project, "url = ssh://host/x\nport = pass-word")
    with pytest.raises(RemoteError, match="port of DVC's default remote is no number") as caught:
        locate(project)
    assert "pass-word" not in "".join(traceback.format_exception(caught.value))
