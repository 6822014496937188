"""Who is told how a run ended: what the file may say, and that no message repeats a secret."""

import pytest

from jpasbatch.errors import InputError
from jpasbatch.job.notify import NotifyOptions, load_notify

SECRET_ADDRESS = "https://hooks.example.org/T0/hush-hush"


def written(tmp_path, text):
    path = tmp_path / "notify.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_nobody_is_told_without_a_file():
    assert load_notify(None) == ()


def test_a_command_and_an_address(tmp_path, monkeypatch):
    monkeypatch.setenv("HOOK", "T0/B1/x-y_z")
    text = """
    [[notify]]
    command = ["/bin/tell", "--all"]
    on = ["unchanged"]
    [[notify]]
    webhook = "https://hooks.example.org/services/{secret}"
    secret = "HOOK"
    """
    command, webhook = load_notify(written(tmp_path, text))
    assert (command.kind, command.command, command.on) == ("command", ("/bin/tell", "--all"), ("unchanged",))
    assert webhook.address() == "https://hooks.example.org/services/T0/B1/x-y_z"
    assert "unchanged" not in webhook.on
    assert "T0" not in repr(webhook)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", "either command"),
        ('command = ["a"]\nwebhook = "https://h/x"', "either command"),
        ("command = []", "either command"),
        ('command = "rm -rf /"', "list"),
        ('command = [""]', "command"),
        ('command = ["a"]\non = []', "on"),
        ('command = ["a"]\non = ["always"]', "'success'"),
        ('command = ["a"]\non = ["held", "held"]', "twice"),
        ('command = ["a"]\nseconds = 0', "above 0 to 60"),
        ('command = ["a"]\nseconds = 61', "above 0 to 60"),
        ('command = ["a"]\nsecret = "HOOK"', "both or neither"),
        ('webhook = "https://h/{secret}"', "both or neither"),
        ('command = ["a"]\nshell = true', "shell"),
    ],
)
def test_what_is_refused(tmp_path, table, words):
    with pytest.raises(InputError, match=words) as refused:
        load_notify(written(tmp_path, f"[notify]\n{table}\n"))
    assert "notify.toml" in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "http://hooks.example.org/T0/hush-hush",
        "https://user:hush-hush@hooks.example.org/T0",
        "https://hooks.example.org/T0 hush-hush",
        "https://{secret}/hush-hush",
        "https://hush-hush",
        "ftp://hush-hush/x",
        "file:///hush-hush",
        "hush-hush",
    ],
)
def test_an_address_that_is_refused_is_not_repeated(tmp_path, address):
    with pytest.raises(InputError, match="https://HOST/PATH") as refused:
        load_notify(written(tmp_path, f'[notify]\nwebhook = "{address}"\n'))
    assert "hush" not in str(refused.value)
    assert refused.value.__cause__ is None or "hush" not in repr(refused.value)


@pytest.mark.parametrize("value", ["", "two words", "x\r\nHost: y", "a#b", "a@b", "ü"])
def test_a_secret_that_lacks_or_is_none_stops_before_the_run(tmp_path, monkeypatch, value):
    monkeypatch.setenv("HOOK", value)
    path = written(tmp_path, '[notify]\nwebhook = "https://h/{secret}"\nsecret = "HOOK"\n')
    with pytest.raises(InputError, match="HOOK") as refused:
        load_notify(path)
    assert not value or value not in str(refused.value)


@pytest.mark.parametrize("text", ["", 'command = ["a"]', '[notify]\ncommand = ["a"]\n[other]\n'])
def test_a_file_of_another_form(tmp_path, text):
    with pytest.raises(InputError, match=r"allowed is a table \[notify\]"):
        load_notify(written(tmp_path, text))


def test_options_do_not_show_their_address():
    assert "hush" not in repr(NotifyOptions(webhook=SECRET_ADDRESS))
