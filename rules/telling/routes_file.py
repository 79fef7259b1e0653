"""The text of a `routes.toml` in; the routes it describes, or every fault in it, out."""

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any, Final, TypeVar

from parsers.hours import EXPECTED, read_hours
from parsers.people import RiskTier, Role
from rules.decisions import AlertKind, Reason
from rules.policy.rule_file import RuleFault
from rules.telling.directory import Level, county_key
from rules.telling.routes import LISTS, Route, Routes, Target, program_key


@cache
def default_routes() -> Routes:
    """The routes shipped with the package."""
    routes = load_routes(resources.files("rules.telling").joinpath("routes.toml").read_text(encoding="utf-8"))
    if isinstance(routes, list):
        raise TypeError("the shipped routes.toml has faults")
    return routes


def load_routes(toml_text: str) -> Routes | list[RuleFault]:
    """The tree a file describes, or every fault in it at once."""
    try:
        table = tomllib.loads(toml_text)
    except tomllib.TOMLDecodeError as error:
        return [RuleFault("file", f"is not valid TOML: {error}")]
    reader = _Reader()
    root = reader.root(table)
    return reader.faults or Routes(root)


_CLOSED: Final[dict[str, type[StrEnum]]] = {"risk_tiers": RiskTier, "kinds": AlertKind, "reasons": Reason}
_KEYS: Final = {*LISTS, "name", "to", "role", "case_manager", "hours", "continue", "routes"}
Chosen = TypeVar("Chosen", bound=StrEnum)


class _Reader:
    """Turns tables into routes and gathers every fault on the way."""

    def __init__(self) -> None:
        self.faults: list[RuleFault] = []

    def root(self, table: dict[str, Any]) -> Route:
        for key in (*LISTS, "hours", "continue"):
            if key in table:
                self._fault(key, "the root takes everything: put conditions on a route below it")
        plain = {key: value for key, value in table.items() if key not in (*LISTS, "hours", "continue")}
        default = Route(Level.CENTRAL_OFFICE.value, Target.CENTRAL_OFFICE)
        return self._route({"name": default.name, **plain}, default, "")

    def _route(self, table: dict[str, Any], parent: Route, place: str) -> Route:
        for key in sorted(table.keys() - _KEYS):
            self._fault(_join(place, key), f"is not a key of a route; known keys: {', '.join(sorted(_KEYS))}")
        name = self._text(table, "name", place)
        if not name:
            self._fault(_join(place, "name"), "is missing: every route has a name, which the explanation uses")
        to = self._choice(table, "to", Target, place) or parent.to
        role = self._choice(table, "role", Role, place) or parent.role
        case_manager = self._text(table, "case_manager", place) or parent.case_manager
        if to is Target.CASE_MANAGER and not case_manager:
            self._fault(_join(place, "case_manager"), 'is missing: to = "case_manager" needs the id of a person')
        hours_text = self._text(table, "hours", place)
        hours = read_hours(hours_text) if hours_text else None
        if hours_text and hours is None:
            self._fault(_join(place, "hours"), f"expects {EXPECTED}")
        go_on = table.get("continue", False)
        if not isinstance(go_on, bool):
            self._fault(_join(place, "continue"), "expects true or false")
        lists: dict[str, Any] = {key: self._list(table, key, place) for key in LISTS}
        own = Route(name, to, role, case_manager, hours=hours, hours_text=hours_text, go_on=bool(go_on), **lists)
        return replace(own, routes=tuple(self._children(table, own, place)))

    def _children(self, table: dict[str, Any], parent: Route, place: str) -> Iterator[Route]:
        tables = table.get("routes", [])
        if not isinstance(tables, list) or not all(isinstance(child, dict) for child in tables):
            self._fault(_join(place, "routes"), "expects [[routes]] tables")
            return
        closed_by = ""
        for number, child in enumerate(tables):
            where = _join(place, f"routes[{number}]")
            if closed_by:
                self._fault(where, f"is never reached: {closed_by} takes everything and does not continue")
            route = self._route(child, parent, where)
            if route.unconditional and not route.go_on:
                closed_by = closed_by or route.name or where
            yield route

    def _text(self, table: dict[str, Any], key: str, place: str) -> str:
        value = table.get(key, "")
        if not isinstance(value, str):
            self._fault(_join(place, key), "expects text")
            return ""
        return value.strip()

    def _choice(self, table: dict[str, Any], key: str, choices: type[Chosen], place: str) -> Chosen | None:
        value = self._text(table, key, place)
        if value and value not in set(choices):
            self._fault(_join(place, key), f"expects one of {', '.join(choices)}")
            return None
        return choices(value) if value else None

    def _list(self, table: dict[str, Any], key: str, place: str) -> frozenset[str]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
            self._fault(_join(place, key), "expects a list of texts")
            return frozenset()
        if key in table and not value:
            self._fault(_join(place, key), "is empty and would hold for everything: leave it out instead")
        if choices := _CLOSED.get(key):
            for unknown in sorted(set(value) - set(choices)):
                self._fault(_join(place, key), f"{unknown!r} is not one of {', '.join(choices)}")
        return frozenset(_spelled(key, value))

    def _fault(self, place: str, message: str) -> None:
        self.faults.append(RuleFault(place, message))


def _spelled(key: str, values: Iterable[str]) -> Iterator[str]:
    for value in values:
        match key:
            case "counties":
                yield county_key(value)
            case "programs":
                yield program_key(value)
            case _:
                yield value.strip()


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
