from __future__ import annotations

import pytest
from material.record_files import arrow, parquet, read


def test_a_table_without_the_field_is_one_rejection() -> None:
    (rejection,) = read(b"a,b\n1,2\n3,4\n", "csv")
    assert (rejection.reason, "'text'" in rejection.detail, "a, b" in rejection.detail) == ("no_text_field", True, True)
    for document_format, data in (("parquet", parquet([{"a": 1}])), ("arrow", arrow([{"a": 1}], False))):
        assert [each.reason for each in read(data, document_format)] == ["no_text_field"]


@pytest.mark.parametrize("heading", ["id,user_name,createdAt,v1.2,first-seen", "编号,姓名,größe", ",label"])
def test_names_of_columns_are_shown(heading: str) -> None:
    (rejection,) = read(f"{heading}\n".encode(), "csv")
    assert rejection.detail.endswith(f" among: {heading.replace(',', ', ')}")


@pytest.mark.parametrize(
    "value", ["Jane Smith", "jane@smith", "13800138000", "x13800138000", "+49", "中关村大街1号，北京", "42", "x" * 50]
)
def test_a_row_that_may_be_a_person_s_is_not_shown_as_the_heading(value: str) -> None:
    for place in (f"Smith,{value}", f"{value},Smith", ",".join(["Smith"] * 30 + [value])):
        (rejection,) = read(f"{place}\n".encode(), "csv")
        assert rejection.reason == "no_text_field"
        assert f"among {place.count(',') + 1}, which are not shown" in rejection.detail
        assert value not in rejection.detail.replace("'text'", "")
        assert "Smith" not in rejection.detail
