"""How the rows of a composed statement become objects: as Django's own, by the shortest way (ADR 0014)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import models
from django.db.models.base import ModelState
from django.db.models.query import get_related_populators
from django.db.models.signals import post_init, pre_init

Row = Sequence[Any]


class Reader:
    """Of one statement on one connection."""

    def __init__(self, compiler: Any, connection: Any) -> None:
        """`compiler` has composed the statement."""
        self.connection, self.alias = connection, connection.alias
        select, info = compiler.select, compiler.klass_info
        self.model: type[models.Model] = info["model"]
        self.start, self.end = info["select_fields"][0], info["select_fields"][-1] + 1
        self.names = [column[0].target.attname for column in select[self.start : self.end]]
        # The stubs are of a newer Django.
        self.related = get_related_populators(info, select, self.alias)  # type: ignore[call-arg]
        self.annotations = list(compiler.annotation_col_map.items())
        columns = [column[0] for column in select[: compiler.col_count]]
        self.converters = [(at, *found) for at, found in compiler.get_converters(columns).items()]

    def objects(self, rows: Sequence[Row]) -> list[Any]:
        return [self._object(self._converted(row)) for row in rows]

    def _converted(self, row: Row) -> Row:
        converted = list(row)
        for at, converters, expression in self.converters:
            for convert in converters:
                converted[at] = convert(converted[at], expression, self.connection)
        return converted

    def _object(self, row: Row) -> Any:
        found = made(self.model, self.alias, self.names, row[self.start : self.end])
        for populator in self.related:
            _populate(populator, row, found)
        for name, at in self.annotations:
            setattr(found, name, row[at])
        return found


def _populate(populator: Any, row: Row, owner: models.Model) -> None:
    """What Django's populator does, with `made`, and one way only: two that name each other are left to the collector,
    with each request. What the other way leads to is known to whoever has come this one."""
    if populator.reorder_for_init:  # of a parent's table; we have none
        populator.populate(row, owner)
        return
    values = row[populator.cols_start : populator.cols_end]
    found = None
    if values[populator.pk_idx] is not None:
        found = made(populator.model_cls, populator.db, populator.init_list, values)
        for further in populator.related_populators:
            _populate(further, row, found)
    populator.local_setter(owner, found)


def made(model: type[models.Model], alias: str, names: Sequence[str], values: Sequence[Any]) -> Any:
    """An object of a row, with these attributes.

    Django's `from_db` sets each of thirty attributes by itself, and tells of it before and after. Where a class has no
    ways of its own, and nobody listens, all of them at once come to the same.
    """
    if _has_own_ways(model) or _is_heard(model):
        return model.from_db(alias, names, values)
    found = model.__new__(model)
    state = found._state = ModelState()
    state.adding, state.db = False, alias
    found.__dict__.update(zip(names, values, strict=True))
    return found


@cache
def _has_own_ways(model: Any) -> bool:
    usual: Any = models.Model
    return model.__init__ is not usual.__init__ or model.from_db.__func__ is not usual.from_db.__func__


def _is_heard(model: type[models.Model]) -> bool:
    return any(signal.receivers and signal.has_listeners(model) for signal in (pre_init, post_init))
