"""Migrations that can be run again after they broke off.

PostgreSQL and SQLite take a broken migration back as a whole. MySQL and MariaDB keep each statement for itself: a
process that dies between two of them leaves a migration half done and not recorded, and the next `migrate` begins it
anew. There a statement that finds its work done is passed over, so that the migration goes on where it broke off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import DatabaseError, migrations

if TYPE_CHECKING:
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor
    from django.db.migrations.state import ProjectState

# Error numbers of MySQL and MariaDB. There already: a table, a column, an index, a foreign key or check of this name.
# Gone already: a table; a column, index or key.
DONE = frozenset({1050, 1060, 1061, 1826, 3822, 1051, 1091})
# What a table that is gone has had is gone, too; on the way there that would hide a fault.
NO_SUCH_TABLE = 1146
# MariaDB's number for a foreign key of this name is one for other things, too; the words tell.
CANNOT_CREATE, NAME_IS_TAKEN = 1005, "errno: 121"


class Resumable(migrations.Migration):
    """What each migration of ours is, with as many operations as it likes, forwards and backwards.

    It neither adds a thing that it has removed, nor removes one that it has added. A foreign key of a new table stands
    in its `CreateModel`. `RunPython` must come to the same when it is run twice.
    """

    def apply(
        self, project_state: ProjectState, schema_editor: BaseDatabaseSchemaEditor, collect_sql: bool = False
    ) -> ProjectState:
        pass_over(schema_editor, DONE)
        return super().apply(project_state, schema_editor, collect_sql)

    def unapply(
        self, project_state: ProjectState, schema_editor: BaseDatabaseSchemaEditor, collect_sql: bool = False
    ) -> ProjectState:
        pass_over(schema_editor, DONE | {NO_SUCH_TABLE})
        return super().unapply(project_state, schema_editor, collect_sql)


def pass_over(schema_editor: BaseDatabaseSchemaEditor, done: frozenset[int]) -> None:
    """Let this editor, which Django makes for one migration, ignore errors that say that a statement's work is done.

    Also in what Django defers to the end of a migration: foreign keys, and indexes of new tables.
    """
    if schema_editor.connection.features.can_rollback_ddl:
        return
    execute = schema_editor.execute

    def execute_unless_done(sql: object, params: object = ()) -> None:
        try:
            execute(sql, params)  # type: ignore[arg-type]
        except DatabaseError as error:
            number, *words = error.args
            if number not in done and not (number == CANNOT_CREATE and NAME_IS_TAKEN in str(words)):
                raise

    schema_editor.execute = execute_unless_done  # type: ignore[method-assign]
