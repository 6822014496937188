"""Who publishes and who prunes: of two at once, none goes on or one does, and a crash blocks nobody for ever."""

import pytest

from jpasbatch.errors import TryAgainError
from jpasbatch.storage.stores import exclusion
from jpasbatch.storage.stores.exclusion import pruning, publishing
from tests.storage.stores.test_store import store

__all__ = ["store"]


def test_those_who_publish_do_not_hinder_each_other_and_nothing_is_left(store):
    with publishing(store) as one, publishing(store) as other:
        one()
        other()
    assert store.keys() == {}


@pytest.mark.parametrize(
    ("first", "second"), [(publishing, pruning), (pruning, publishing), (pruning, pruning)]
)
def test_the_second_gives_way(store, first, second):
    with first(store):
        with pytest.raises(TryAgainError, match="prune"), second(store):
            raise AssertionError("it went on")
        assert len(store.keys()) == 1
    with second(store):
        pass
    assert store.keys() == {}


@pytest.mark.parametrize(("first", "second"), [(publishing, pruning), (pruning, publishing)])
def test_one_that_was_killed_long_ago_is_not_believed(store, monkeypatch, first, second):
    left = first(store)
    left.__enter__()
    monkeypatch.setattr(exclusion, "BELIEVED_SECONDS", -60.0)
    with second(store):
        pass


def test_one_that_nobody_believes_any_more_does_not_go_on(store, monkeypatch):
    with publishing(store) as check:
        check()
        monkeypatch.setattr(exclusion, "BELIEVED_SECONDS", -1.0)
        with pytest.raises(TryAgainError, match="took longer"):
            check()
