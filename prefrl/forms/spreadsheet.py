"""A data set in, a folder of CSV files out that a spreadsheet may open; and back.

A spreadsheet takes a cell that begins with = + - @ or a control character for a formula and runs it. Names and reasons
are written by strangers, so such text gets an apostrophe in front, which is taken off again when it is read (text that
begins with an apostrophe gets one more). Empty text is an apostrophe alone; an empty cell means that nothing was said.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from prefrl.errors import ConfigError, DataError
from prefrl.forms.folders import fresh, read_head, write_head
from prefrl.forms.tables import TABLES, Cell, Column, Row, rows_of, take_rows
from prefrl.store.data_set import DataSet
from prefrl.store.exchange import Export, damage_named
from prefrl.types import EnvInfo

MARK = "'"
RISKY = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\x00",
    "＝",
    "＋",
    "－",
    "＠",
    MARK,
)  # the wide forms count as formulas too
ENCODING = "utf-8-sig"  # with the mark by which spreadsheets know UTF-8
LONGEST = 2**31 - 1  # characters of one cell


def write(data: DataSet, folder: Path) -> Counter[str]:
    """One CSV file per table, and data_set.json; nothing is lost but what no form holds."""
    content = data.content()
    with fresh(folder) as draft:
        write_head(draft, content)
        for table, rows in rows_of(content).items():
            with _path(draft, table).open("w", encoding=ENCODING, errors="surrogatepass", newline="") as file:
                writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
                writer.writerow([column.name for column in TABLES[table]])
                writer.writerows([_written(row[column.name], column) for column in TABLES[table]] for row in rows)
    return Counter()


def read(folder: Path, env: EnvInfo | None) -> Export:
    """What `write` wrote; columns may stand in any order. See `prefrl.forms.Form.read`."""
    del env
    content, _ = read_head(folder)
    for table in TABLES:
        path = _path(folder, table)
        take_rows(content, table, _rows(path, table), str(path))
    return content


def guarded(text: str) -> str:
    """`text` as a cell that no spreadsheet runs."""
    return MARK + text if not text or text.lstrip(" ").startswith(RISKY) else text


def bare(cell: str) -> str:
    """The inverse of `guarded`."""
    return cell[1:] if cell.startswith(MARK) else cell


def _path(folder: Path, table: str) -> Path:
    return folder / f"{table}.csv"


def _written(cell: Cell, column: Column) -> Cell:
    return guarded(str(cell)) if column.kind == "text" and cell is not None else cell


def _rows(path: Path, table: str) -> Iterator[Row]:
    csv.field_size_limit(LONGEST)
    try:
        with path.open(encoding=ENCODING, errors="surrogatepass", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if missing := [column.name for column in TABLES[table] if column.name not in header]:
                raise DataError(f"{path} has no column '{missing[0]}': export it again.")
            for number, cells in enumerate(reader, 1):
                with damage_named(f"{path}:{number}"):
                    row = dict(zip(header, cells, strict=True))
                    yield {column.name: _read(row[column.name], column) for column in TABLES[table]}
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is damaged, it is not UTF-8 text: export it again.") from error
    except csv.Error as error:
        raise DataError(f"{path} is damaged, no CSV ({error}): export it again.") from error


def _read(cell: str, column: Column) -> Cell:
    if cell == "":
        return None
    match column.kind:
        case "integer":
            return int(cell)
        case "number":
            return float(cell)
        case "text":
            return bare(cell)
        case _:
            return cell
