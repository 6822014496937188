"""Answers that lead elsewhere: a service decides over rows, and not over what else this machine reads."""

import pytest

from jpasbatch.errors import InputError
from jpasbatch.stages.fetch.answers import read_answer
from jpasbatch.stages.fetch.failures import TemporaryError
from tests.storage.tables.test_hostile_forms import document


def test_an_answer_that_refers_to_a_file_of_ours_is_refused(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"\x00\x00\x00\x01")
    path = document(tmp_path / "a.vot", data=f'<BINARY><STREAM href="{secret.as_uri()}"/></BINARY>')
    with pytest.raises(InputError, match="STREAM refers to"):
        read_answer(path)


def test_an_answer_that_ends_in_the_middle_is_asked_for_again(tmp_path):
    path = document(tmp_path / "a.vot")
    path.write_text(path.read_text()[:-60])
    with pytest.raises(TemporaryError, match="no whole VOTable"):
        read_answer(path)
    whole = document(tmp_path / "b.vot", after='<INFO name="QUERY_STATUS" value="OVERFLOW"/>')
    assert read_answer(whole).overflow
