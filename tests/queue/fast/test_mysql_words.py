"""No MySQL 8 is here to try `fast/mysql.py` on: its texts are held to the words of MySQL 8.0's documentation."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from submissions.queue.fast import columns, mariadb, mysql

pytestmark = pytest.mark.once

# MariaDB has them, MySQL 8.0 does not, or not outside of a stored procedure.
MARIADB_ONLY = (
    r"NOT ATOMIC",
    r"DECLARE",
    r"HANDLER",
    r"RESIGNAL",
    r"ELSE?IF",
    r"END IF",
    r"THEN",
    r"RETURNING",
    r"FOR UPDATE (?:NO)?WAIT \d+",
    r"SET STATEMENT",
    r"EXECUTE IMMEDIATE",
    r"NEXT VALUE FOR",
    r"NEXTVAL",
    r"LASTVAL",
    r"SYSTEM_TIME",
    r"ROWS EXAMINED",
    r"FETCH (?:FIRST|NEXT)",
    r"EXCEPT",
    r"INTERSECT",
    r"OR REPLACE",
    r"JSON_DETAILED",
    r"TO_CHAR",
)
# MySQL 8.0 keeps them for itself; to MariaDB they may be names of columns and of tables.
RESERVED_BY_MYSQL = (
    r"cube|cume_dist|dense_rank|empty|first_value|function|grouping|groups|json_table|lag|last_value|lateral|lead|"
    r"nth_value|ntile|of|percent_rank|rank|row_number|system|window"
)


def texts(module: ModuleType) -> dict[str, str]:
    """The statements that stand in the module as text."""
    return {
        name: text
        for name, text in vars(module).items()
        if name.isupper() and isinstance(text, str) and not hasattr(columns, name)
    }


def foreign_words(text: str) -> list[str]:
    # What comes from outside, and what is quoted, are no words of the statement.
    bare = re.sub(r"%\(\w+\)s|'[^']*'|`[^`]*`", "?", text)
    return re.findall(rf"\b(?:{'|'.join(MARIADB_ONLY)}|{RESERVED_BY_MYSQL})\b", " ".join(bare.split()), re.IGNORECASE)


@pytest.mark.parametrize("name", sorted(texts(mysql)))
def test_a_text_for_mysql_has_mysqls_words_alone(name: str) -> None:
    assert foreign_words(texts(mysql)[name]) == []


@pytest.mark.parametrize("name", sorted(texts(mysql)))
def test_a_text_for_mysql_is_one_plain_statement(name: str) -> None:
    text = texts(mysql)[name]
    assert text.split(maxsplit=1)[0] in ("SELECT", "INSERT", "UPDATE")
    assert ";" not in text
    assert "@" not in text


def test_every_verb_has_its_texts() -> None:
    assert {"PICK", "CHANGE", "READ", "RETIRE", "SCORE", "DUE"} <= set(texts(mysql))


def test_the_words_of_mariadb_would_be_found() -> None:
    assert "NOT ATOMIC" in [word for text in texts(mariadb).values() for word in foreign_words(text)]
    assert foreign_words("SELECT rank FROM t FOR UPDATE WAIT 3") == ["rank", "FOR UPDATE WAIT 3"]
    assert foreign_words("UPDATE t SET a = 'RETURNING' WHERE `rank` = %(system)s") == []
