"""The line that a finished stage leaves on the screen."""

from jpasbatch.stages.run.reporting import report_stage


def line_of(capsys, **record) -> str:
    report_stage("summarise", {"seconds": 1.0, "rows_out": 9017, **record})
    return capsys.readouterr().out.strip()


def test_counts_are_told_as_people_quote_them(capsys):
    number = {"number": 389.99, "per_deg2": 194.99, "lower": 184.2, "upper": 206.2, "true_per_deg2": 173.5}
    told = line_of(capsys, counts={"summed_probability": number}, targets={"WQ.fits": 1320})
    assert "rows out 9,017, counted 390.0, per deg2 195.0 (184.2 to 206.2), true 173.5" in told
    assert told.endswith("WQ.fits 1,320 targets")


def test_what_is_not_known_is_left_out(capsys):
    unknown = {"number": 12.0, "per_deg2": None, "lower": None, "upper": None}
    assert line_of(capsys, counts={"summed_probability": unknown}).endswith("counted 12.0")
    assert line_of(capsys, counts=None, targets=None).endswith("rows out 9,017")
    one_end = {"number": 12.0, "per_deg2": 6.0, "lower": 5.0, "upper": None}
    assert line_of(capsys, counts={"summed_probability": one_end}).endswith("per deg2 6.0")
