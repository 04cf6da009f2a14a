"""A data set in, a folder of Parquet files out that data frames read; and back. Needs the package pyarrow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prefrl.errors import ConfigError, DataError, EnvironmentMissing
from prefrl.forms.folders import fresh, read_head, write_head
from prefrl.forms.tables import TABLES, Row, rows_of, take_rows
from prefrl.store.data_set import DataSet
from prefrl.store.exchange import Export
from prefrl.types import EnvInfo

NO_UNICODE = "reasons with halves of surrogate pairs, which are no Unicode text: replaced by question marks"
_TYPES = {"text": "string", "json": "string", "integer": "int64", "number": "float64"}


def arrow(form: str = "parquet") -> tuple[Any, Any]:
    """(pyarrow, pyarrow.parquet). Raises `EnvironmentMissing` without them."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise EnvironmentMissing(
            f"The form {form} needs the package pyarrow: pip install 'prefrl[parquet]', or use --form csv."
        ) from error
    return pa, parquet


def write(data: DataSet, folder: Path) -> Counter[str]:
    """One Parquet file per table, and data_set.json."""
    arrow()
    content = data.content()
    with fresh(folder) as draft:
        write_head(draft, content)
        return write_tables(content, draft)


def read(folder: Path, env: EnvInfo | None) -> Export:
    """What `write` wrote. See `prefrl.forms.Form.read`."""
    del env
    arrow()
    content, _ = read_head(folder)
    read_tables(content, folder)
    return content


def write_tables(content: Export, folder: Path) -> Counter[str]:
    """<table>.parquet in `folder`; what could not be written, by reason."""
    pa, parquet = arrow()
    lost: Counter[str] = Counter()
    for table, rows in rows_of(content).items():
        lost += _mend(rows)
        fields = [pa.field(c.name, getattr(pa, _TYPES[c.kind])(), nullable=c.empty) for c in TABLES[table]]
        parquet.write_table(pa.Table.from_pylist(rows, schema=pa.schema(fields)), folder / f"{table}.parquet")
    return lost


def read_tables(content: Export, folder: Path) -> None:
    """Add what `write_tables` wrote to `content`."""
    for table in TABLES:
        path = folder / f"{table}.parquet"
        take_rows(content, table, _rows(path, table), str(path))


def _rows(path: Path, table: str) -> Iterator[Row]:
    names = [column.name for column in TABLES[table]]
    for batch in read_table(path, names).to_batches():
        yield from batch.to_pylist()


def read_table(path: Path, columns: list[str]) -> Any:
    """The named columns of a Parquet file. `ConfigError` if there is none, `DataError` if it is damaged."""
    pa, parquet = arrow()
    try:
        with path.open("rb") as file:
            found = parquet.read_table(file)
            return found.select(columns)
    except OSError as error:  # pyarrow raises it for damaged files as well
        if path.is_file():
            raise DataError(f"{path} is damaged ({error}): export it again.") from error
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}): export it again.") from error


def _mend(rows: list[Row]) -> Counter[str]:
    """Replace what cannot be encoded, in place."""
    lost: Counter[str] = Counter()
    for row in rows:
        for name, cell in row.items():
            if isinstance(cell, str) and not cell.isascii():
                row[name] = cell.encode("utf-8", "replace").decode()
                lost[NO_UNICODE] += row[name] != cell
    return +lost
