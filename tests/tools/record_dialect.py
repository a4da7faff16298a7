"""Record what Spark answers to every case of the parity suite.

Run by hand after adding cases, in an environment of its own, with Java 17 or later on the path:

    python -m venv spark && spark/bin/pip install pyspark==4.1.4 msgspec
    PYTHONPATH=src spark/bin/python tests/tools/record_dialect.py

A case may ask for a shared rule of the datasets: `{whole_number(x)}` stands for `datasets/rules/whole_number.sql`.

A case is a line of `tests/unit/fixtures/dialect/*.tsv`: what follows SELECT in Spark SQL, a tab, and Spark's answer,
which this program writes. A new case is a line without the answer. Blank lines and lines that begin with `#` are kept.

The answer is JSON: one value, or a list of rows where a query gives several values. Timestamps are microseconds since
1970 (`{"us": …}`), decimals are text (`{"decimal": "1.50"}`), and a failing query is `{"error": "DIVIDE_BY_ZERO"}`.
"""

from __future__ import annotations

import json
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

from pinflow.datasets.shared import with_rules

CASES = Path(__file__).parent.parent / "unit" / "fixtures" / "dialect"


def spark_session() -> Any:
    """A session in ANSI mode and UTC, as the rules and questions expect it."""
    builder = import_module("pyspark.sql").SparkSession.builder.master("local[1]")
    settings = {
        "spark.sql.ansi.enabled": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.ui.enabled": "false",
    }
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    return session


def encoded(value: Any) -> Any:
    """A value in the form that the fixtures keep."""
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, list):
        return [encoded(part) for part in value]
    return value


def answer(session: Any, case: str) -> Any:
    """What Spark answers to one case."""
    try:
        frame = session.sql(with_rules(f"SELECT {case}"))
        times = [field.name for field in frame.schema.fields if field.dataType.typeName() == "timestamp"]
        frame = frame.toDF(*[f"c{at}" for at in range(len(frame.columns))])
        columns = [
            f"named_struct('us', unix_micros({new})) AS {new}"
            if field.dataType.typeName() == "timestamp"
            else new
            for new, field in zip(frame.columns, frame.schema.fields, strict=True)
        ]
        rows = (frame.selectExpr(*columns) if times else frame).collect()
    except Exception as error:  # noqa: BLE001 - whatever Spark raises is its answer
        condition = getattr(error, "getCondition", lambda: None)()
        return {"error": condition or type(error).__name__}
    read = [[_time(value) if hasattr(value, "us") else encoded(value) for value in row] for row in rows]
    return read[0][0] if len(read) == 1 and len(read[0]) == 1 else read


def _time(value: Any) -> Any:
    return None if value.us is None else {"us": value.us}


def record(session: Any, path: Path) -> int:
    """Write the answers of one file; returns how many cases it has."""
    lines, cases = [], 0
    for line in path.read_text(encoding="utf-8").splitlines():
        case = line.partition("\t")[0]
        if not case or case.startswith("#"):
            lines.append(line)
            continue
        lines.append(f"{case}\t{json.dumps(answer(session, case), ensure_ascii=True)}")
        cases += 1
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return cases


def main() -> None:
    """Record every file."""
    session = spark_session()
    for path in sorted(CASES.glob("*.tsv")):
        print(path.name, record(session, path))


if __name__ == "__main__":
    main()
