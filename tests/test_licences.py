"""Licences of what is installed are those that docs/dependencies.md tells; copyleft ones are known by name."""

from tests.licences import COPYLEFT, REPOSITORY, rows

KNOWN_COPYLEFT = {"asyncssh", "certifi", "fqdn", "healpy", "healsparse", "hpgeom", "hypothesis", "tqdm"}
"""Another one is a decision: of the base, it would reach everybody who distributes jpasbatch with what it needs."""


def test_the_table_tells_of_every_package():
    text = (REPOSITORY / "docs" / "dependencies.md").read_text(encoding="utf-8")
    wrong = [
        name
        for name, (licence, by) in rows().items()
        if f"| {name} | {licence} | {by or 'no extra'} |" not in text
    ]
    assert not wrong, f"make licences, and look at what changed: {wrong}"


def test_every_copyleft_licence_is_known():
    assert {name for name, (licence, _) in rows().items() if COPYLEFT.search(licence)} <= KNOWN_COPYLEFT
