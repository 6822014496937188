"""Workers that were lost, by the word of those who know why."""

from jpasbatch.compute.losses import OUT_OF_MEMORY, WORKER_LOST, Losses


def test_a_worker_is_counted_once_and_under_the_reason_that_is_known():
    losses = Losses()
    losses.hear({"worker": "tls://a:1", "pid": 7, "rss": 10})
    assert [losses.blame(address) for address in ("tls://a:1", "tls://a:1")] == [OUT_OF_MEMORY] * 2
    assert [losses.blame(address) for address in ("tls://b:1", "tls://b:1")] == [WORKER_LOST] * 2
    losses.blame("tls://c:1")
    assert losses.counts == {OUT_OF_MEMORY: 1, WORKER_LOST: 2}
