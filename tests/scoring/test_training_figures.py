"""The figure of how members learnt."""

import numpy as np

from jpasbatch.learning.curves import Curve
from jpasbatch.pages.style import to_png, to_svg
from jpasbatch.scoring.training_figures import MOST_MEMBERS, training_curves, training_panels
from tests.learning.test_curves import curve_of


def test_each_member_is_drawn_and_the_kept_epoch_marked():
    figure = training_curves([curve_of(9, 4), curve_of(7, 7, seed=1)])
    losses, f1 = figure.axes
    assert [len(axes.lines) for axes in (losses, f1)] == [6, 4]
    assert [line.get_xdata().tolist() for line in f1.lines[1::2]] == [[4.0], [7.0]]
    assert to_png(figure).startswith(b"\x89PNG")
    assert "member 1" in to_svg(figure, "training", "How it learnt")


def test_of_many_members_some_are_drawn():
    figure = training_curves([curve_of(3, 1) for _ in range(40)])
    assert len(figure.axes[1].lines) == 2 * MOST_MEMBERS
    assert figure.axes[0].get_title(loc="left") == f"{MOST_MEMBERS} of 40 members"


def test_panels_hold_the_same():
    drawing = training_panels([curve_of(9, 4), curve_of(7, 7, seed=1)])
    assert [len(panel.figure.axes[0].lines) for panel in drawing.panels] == [6, 4]
    assert [key.label for key in drawing.legend] == ["member 0", "member 1"]
    assert training_panels([curve_of(3, 1) for _ in range(40)]).panels[0].remark == "16 of 40 members"


def test_what_was_not_kept_is_said():
    curve = Curve.from_history({"validation_loss": [0.4]}, 1)
    [note] = training_curves([curve]).axes[1].texts
    assert note.get_text() == "not kept of these members"
    assert np.isnan(curve.column("validation_f1")).all()
