"""Queries: literals, names of tiles, tiles of a file."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.job.fetch import FetchOptions
from jpasbatch.stages.fetch.failures import LONGEST_WORDS, bounded_words
from jpasbatch.stages.fetch.queries import counts_query, literal, tile_name, tile_query, wanted_tiles

OPTIONS = FetchOptions("https://example.org/tap", "s.t", where="a > 1 OR b < 2")
TILES = st.one_of(st.integers(-(2**60), 2**60), st.text(min_size=1))


@given(st.text())
def test_text_cannot_end_its_literal(text):
    inside = literal(text)[1:-1]
    assert inside.replace("''", "").count("'") == 0
    assert inside.replace("''", "'") == text


@given(st.sets(TILES.map(str), min_size=2, max_size=30))
def test_names_of_tiles_are_names_of_files_and_differ(tiles):
    names = {tile_name(tile) for tile in tiles}
    assert len(names) == len(tiles)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name) for name in names)


def test_condition_of_the_job_stays_in_its_brackets():
    assert tile_query(OPTIONS, "it's") == "SELECT * FROM s.t WHERE tile_id = 'it''s' AND (a > 1 OR b < 2)"
    assert counts_query(OPTIONS, [1, 2]).endswith("tile_id IN (1, 2) AND (a > 1 OR b < 2) GROUP BY tile_id")
    assert "IN" not in counts_query(OPTIONS, range(1000))


def test_tiles_of_a_file(tmp_path):
    path = tmp_path / "tiles.txt"

    def read(text):
        path.write_text(text)
        return wanted_tiles(FetchOptions("https://example.org", "t", tiles=str(path)))

    assert read("2241  # AEGIS001\n\n'2243'\nnorth\n") == [2241, "2243", "north"]
    for text in ("", "# nothing\n", "1\n1\n", "1\n'1'\n"):
        with pytest.raises(InputError, match="tile"):
            read(text)


@given(st.text(max_size=2000), st.text(min_size=8, max_size=20, alphabet="abcdefgh"))
def test_words_of_a_service_are_bounded_and_hold_no_secret(text, secret):
    words = bounded_words(f"<p>{text}</p> {secret} {text}", (secret,))
    assert len(words) <= LONGEST_WORDS + 3
    assert words.isprintable()
    assert secret not in words
