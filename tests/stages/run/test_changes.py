from jpasbatch.stages.run.changes import FIRST, changed_parts, digests


def test_what_changed_is_named():
    parts = {"code": "a", "options": {"x": 1}}
    record = {"parts": digests(parts)}
    assert changed_parts(record, parts) == []
    assert changed_parts(record, {"code": "b", "options": {"x": 1}}) == ["code"]
    assert changed_parts(record, {"code": "a", "survey": 1}) == ["options", "survey"]


def test_a_first_run_has_nothing_to_compare_with():
    assert changed_parts(None, {"code": "a"}) == [FIRST]
    assert changed_parts({"stage": "infer"}, {"code": "a"}) == [FIRST]  # of a version that kept no parts
