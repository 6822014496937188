from pathlib import Path

import pytest

from jpasbatch.cli import main
from jpasbatch.errors import InputError
from jpasbatch.mocks.packs.layout import SOURCES, find, lacking, needed, published_at, source
from jpasbatch.mocks.packs.status import CLASS_NEEDS, READERS, check_pack

ROLES = {"quasars", "galaxies", "stars", "enrichment", "instrument", "other survey", "check"}


pytestmark = pytest.mark.usefixtures("unchanged_process")


def states(status) -> dict[str, str]:
    return {entry.source.key: entry.state for entry in status.sources}


def test_the_registry_is_complete():
    keys = [entry.key for entry in SOURCES]
    assert len(set(keys)) == len(keys)
    assert set(keys) == set(READERS)
    assert {entry.role for entry in SOURCES} == ROLES
    assert set().union(*CLASS_NEEDS.values()) <= set(keys)
    for entry in SOURCES:
        assert all((entry.files, entry.provides, entry.published, entry.licence, entry.cite))
        assert entry.published in published_at(entry)
        assert not any(name.endswith(".gz") for name in entry.files)


def test_find_prefers_the_plain_file_and_the_published_form(build, tmp_path):
    entry = source("quasar-pca")
    assert find(tmp_path, entry) == []
    assert lacking(tmp_path, entry) == list(entry.files)
    path = build("quasar-pca")
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(b"")
    assert find(tmp_path, entry) == needed(tmp_path, "quasar-pca") == [path]
    path.unlink()
    assert find(tmp_path, entry) == [packed]
    last = build("star-basis")
    (last.parent / "redrock_star_basis_1A_and_coeffs.npz").write_bytes(b"")
    assert len(needed(tmp_path, "star-basis")) == 8
    last.unlink()
    assert [path.suffix for path in needed(tmp_path, "star-basis")] == [".npz"]


def test_an_empty_folder(tmp_path):
    status = check_pack(tmp_path)
    assert set(states(status).values()) == {"missing"}
    assert status.classes == status.damaged == ()
    assert "bal-troughs" in status.lacking
    assert not {"pickles", "quasar-pca"} & set(status.lacking)
    assert all("published at" in entry.message for entry in status.sources)


def test_no_folder(tmp_path):
    for name in ("absent", "file"):
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match=rf"{name}: is not a folder"):
            check_pack(tmp_path / name)


def test_a_partial_folder(build, tmp_path):
    for key in ("quasar-pca", "unabsorbed-basis", "star-basis", "kcorrect", "filter-curves"):
        build(key)
    (tmp_path / "galaxy_kcorrect" / "gst_tests_small.fits").unlink()
    status = check_pack(tmp_path)
    assert states(status)["kcorrect"] == "incomplete"
    assert states(status)["quasar-pca"] == states(status)["star-basis"] == "present"
    assert status.classes == ("star", "qso")
    (message,) = (entry.message for entry in status.sources if entry.state == "incomplete")
    assert "gst_tests_small.fits" in message


def test_damaged_files_are_reported(build, tmp_path, monkeypatch):
    for key in ("quasar-pca", "star-basis", "forbidden-lines"):
        build(key).write_bytes(b"SIMPLE  =                    T")

    def fail(pack):
        raise ZeroDivisionError("unforeseen")

    build("bal-troughs")
    monkeypatch.setitem(READERS, "bal-troughs", fail)
    status = check_pack(tmp_path)
    assert set(status.damaged) == {"quasar-pca", "star-basis", "forbidden-lines", "bal-troughs"}
    assert status.classes == ()
    messages = {entry.source.key: entry.message for entry in status.sources}
    assert "qso_templates_v2.0-lite.fits" in messages["quasar-pca"]
    assert "unforeseen" in messages["bal-troughs"]


def test_everything_published_is_there(data_folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["templates", "check", str(data_folder)]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "can be made: star, galaxy, qso" in shown.out
    assert shown.out.count(" present ") == len(SOURCES)


def test_the_command_on_small_packs(build, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["templates", "check", str(tmp_path)]) == 2
    assert "can be made: no class" in capsys.readouterr().out
    build("quasar-pca")
    build("filter-curves")
    assert main(["templates", "check", str(tmp_path)]) == 2
    assert "cannot be made: qso, which needs unabsorbed-basis" in capsys.readouterr().out
    build("unabsorbed-basis")
    assert main(["templates", "check", str(tmp_path)]) == 1
    assert "cannot be made: star, which needs star-basis" in capsys.readouterr().out
    build("star-basis")
    build("kcorrect")
    assert main(["templates", "check", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "can be made: star, galaxy, qso" in shown
    assert "lacking" in shown
    assert "bal-troughs" in shown
    damaged = build("forbidden-lines")
    damaged.write_bytes(damaged.read_bytes()[:2900])
    assert main(["templates", "check", str(tmp_path)]) == 2
    shown = capsys.readouterr().out
    assert f"forbidden-lines is damaged: {damaged}" in shown
    assert "truncated" in shown


def test_the_command_on_no_folder(tmp_path, capsys):
    assert main(["templates", "check", str(tmp_path / "absent")]) == 2
    assert "jpasbatch: " in capsys.readouterr().err
    for arguments in (["templates"], ["templates", "check"], ["templates", "make", "x"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2


def test_the_document_names_every_source_and_file():
    document = (Path(__file__).resolve().parents[3] / "docs" / "template_pack.md").read_text(encoding="utf-8")
    for entry in SOURCES:
        assert f"`{entry.key}`" in document
        assert entry.licence.split(";")[0] in document or entry.licence.startswith("public")
