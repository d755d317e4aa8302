"""What of a stranger's SQL is run: judged on the engine's own syntax tree, and written anew from it.

A SELECT, DESCRIBE, SHOW TABLES, SHOW DATABASES or EXPLAIN of a SELECT is allowed; one of them. In it, at any depth:

* tables are those offered, or names of the statement's own WITH. They are written with their database, so that the embedded engine never looks for a
  file of that name. A table of ``system`` is replaced by a subquery that shows the offered tables alone;
* functions and table functions are those of `vocabulary`; a bare name that is a function's is judged as its call, since the engine would call it;
* nothing is written: no INTO OUTFILE;
* SETTINGS stand at the end of the statement, and are those a client may send anyway (`settings`);
* a node of a kind that is not known here is refused.

Two things make it hold: the tree is whole, for the engine itself can write the statement back from it; and what was written back is parsed
again and must be the very tree that was judged.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from maibo_slo.clickhouse_http.refusal import Refusal
from maibo_slo.clickhouse_http.settings import SHOWN, quoted
from maibo_slo.clickhouse_http.vocabulary import (
    DISPLAY_NAME,
    HIDDEN,
    NAMES_OF_HOST,
    OFFERED,
    PLAIN_SYSTEM,
    SYSTEM,
    TABLE_FUNCTIONS,
    Functions,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

Node = dict[str, Any]
"""A node of the syntax tree, as the engine's ``parseQueryToJSON`` gives it."""

_KINDS: Final = frozenset(
    """
    ArrayJoin Asterisk ColumnsApplyTransformer ColumnsExceptTransformer ColumnsListMatcher ColumnsRegexpMatcher ColumnsReplaceTransformer
    ColumnsReplaceTransformerReplacement ColumnsTransformerList ExpressionList Function Identifier InterpolateElement Literal
    OrderByElement QualifiedAsterisk QualifiedColumnsListMatcher QualifiedColumnsRegexpMatcher QueryParameter SampleRatio
    SelectIntersectExceptQuery SelectQuery SelectWithUnionQuery Subquery TableExpression TableJoin TablesInSelectQuery
    TablesInSelectQueryElement WindowDefinition WindowListElement WithElement
    """.split()  # noqa: SIM905 -- so many names are read best so
)
_EXPLAINED: Final = frozenset(
    {"EXPLAIN", "EXPLAIN AST", "EXPLAIN SYNTAX", "EXPLAIN QUERY TREE", "EXPLAIN PIPELINE", "EXPLAIN ESTIMATE"}
)
_IN: Final = frozenset(
    f"{prefix}{name}".lower()
    for prefix in ("", "global")
    for name in (
        "In",
        "NotIn",
        "NullIn",
        "NotNullIn",
        *(f"{each}IgnoreSet" for each in ("In", "NotIn", "NullIn", "NotNullIn")),
    )
)
_LEAVES: Final = frozenset({"Literal", "QueryParameter"})
_TABLES: Final = frozenset({"table_function", "database_and_table_name"})
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_TREE: Final = "parseQueryToJSON"
_DESCRIBE: Final = "DESCRIBE TABLE "
_SELECT_ALL: Final = "SELECT * FROM "
_READ_ONLY: Final = "Cannot execute query in readonly mode"


class Grammar(Protocol):
    """The engine's parser. A text is a value to it and never run; Refusal for what is no single statement."""

    def tree(self, text: str) -> Node: ...

    def text(self, tree: Node) -> str:
        """The statement of a tree, in one line."""
        ...

    def canonical(self, text: str) -> str:
        """A statement, written in one line as the engine writes it."""
        ...


@dataclass(frozen=True, slots=True)
class Statement:
    """What may be run."""

    text: str
    """Without FORMAT and SETTINGS."""
    format: str = ""
    """'' where it names none."""
    settings: tuple[tuple[str, str], ...] = ()
    """What it asks for, not yet judged."""


@dataclass(slots=True)
class Judge:
    """Knows one store's database and functions; makes `Statement`s."""

    grammar: Grammar
    functions: Functions
    database: str
    _views: dict[str, Node] = field(default_factory=dict)

    def judge(self, text: str, parameters: Mapping[str, str]) -> Statement:
        """Refusal for what may not be run. `parameters`: values of ``{name:Type}``."""
        try:
            tree = self.grammar.tree(text)
        except Refusal as refusal:
            if _NO_TREE not in refusal.reason or refusal.code != 36:
                raise
            return self._described(text, parameters)
        match tree.get("type"):
            case "SelectWithUnionQuery":
                return self._statement(tree, _Walk(self, parameters))
            case "ShowTablesQuery":
                return self._shown(tree, parameters)
            case "ExplainQuery":
                return self._explained(tree, parameters)
            case _:
                raise Refusal(164, _READ_ONLY)

    def view(self, name: str) -> Node:
        """The subquery that stands for a table of ``system``."""
        if name not in self._views:
            tables = ", ".join(map(quoted, sorted(OFFERED)))
            self._views[name] = self.grammar.tree(
                SYSTEM[name]
                .replace("{database}", quoted(self.database))
                .replace("{tables}", f"({tables})")
                .replace("{settings}", f"({', '.join(map(quoted, SHOWN))})")
            )
        copied: Node = json.loads(json.dumps(self._views[name]))
        return copied

    def _statement(self, tree: Node, walk: _Walk) -> Statement:
        named = _taken_format(tree)
        settings = _taken_settings(tree)
        walk.union(tree, frozenset())
        return Statement(self._written(tree), named, settings)

    def _explained(self, tree: Node, parameters: Mapping[str, str]) -> Statement:
        query = tree.get("query")
        if (
            tree.get("kind") not in _EXPLAINED
            or not isinstance(query, dict)
            or query.get("type") != "SelectWithUnionQuery"
        ):
            raise Refusal(497, "Only a SELECT may be explained, without settings")
        named = _taken_format(tree) or _taken_format(query)
        if any(_is_node(value) for key, value in tree.items() if key != "query"):
            raise Refusal(497, "Only a SELECT may be explained, without settings")
        settings = _taken_settings(query)
        _Walk(self, parameters).union(query, frozenset())
        return Statement(self._written(tree), named, settings)

    def _described(self, text: str, parameters: Mapping[str, str]) -> Statement:
        """DESCRIBE has no tree, but what it describes has: as a SELECT's FROM."""
        canonical = self.grammar.canonical(text)
        if not canonical.startswith(_DESCRIBE):
            raise Refusal(164, _READ_ONLY)
        statement = self.judge(_SELECT_ALL + canonical.removeprefix(_DESCRIBE), parameters)
        selects = _list(self.grammar.tree(statement.text).get("list_of_selects"))
        tables = [each.keys() for select in selects for each in _list(select.get("tables"))]
        if (
            not statement.text.startswith(_SELECT_ALL)
            or [select.keys() for select in selects] != [{"type", "select", "tables"}]
            or tables != [{"type", "table_expression"}]
        ):
            raise Refusal(497, "Only a table or a SELECT may be described")
        return Statement(_DESCRIBE + statement.text.removeprefix(_SELECT_ALL), statement.format, statement.settings)

    def _shown(self, tree: Node, parameters: Mapping[str, str]) -> Statement:
        """SHOW TABLES or DATABASES, as a SELECT from their view."""
        told = {key: value for key, value in tree.items() if not key.startswith("is_")}
        named = _taken_format(told)
        database = (told.get("from") or {}).get("name", self.database)
        if told.keys() - {"type", "like", "not_like", "case_insensitive_like", "from", "databases"}:
            raise Refusal(497, "Only SHOW TABLES [FROM …] [LIKE …] and SHOW DATABASES [LIKE …] are answered")
        view = "databases" if told.get("databases") else "tables"
        conditions = [] if view == "databases" else [f"database = {quoted(database)}"]
        if "like" in told:
            like = "ILIKE" if told.get("case_insensitive_like") else "LIKE"
            conditions.append(f"name {'NOT ' if told.get('not_like') else ''}{like} {quoted(told['like'])}")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        statement = self.judge(f"SELECT name FROM system.{view}{where} ORDER BY name", parameters)  # noqa: S608 -- judged as any other
        return Statement(statement.text, named, statement.settings)

    def _written(self, tree: Node) -> str:
        text = self.grammar.text(tree)
        if _meaning(self.grammar.tree(text)) != _meaning(tree):
            raise Refusal(48, "This statement cannot be judged, since it cannot be written back as it was read")
        return text


@dataclass(frozen=True, slots=True)
class _Walk:
    """Through one statement's tree, which it changes in place."""

    judge: Judge
    parameters: Mapping[str, str]

    def union(self, node: Node, known: frozenset[str]) -> None:
        """A SELECT or several. `known`: names that a WITH around it gives."""
        if "out_file" in node or node.get("is_into_outfile_with_stdout"):
            raise Refusal(482, "INTO OUTFILE is not allowed")
        if "format_ast" in node or "settings_ast" in node:
            raise Refusal(164, "FORMAT and SETTINGS belong at the end of the statement")
        selects = _list(node.get("list_of_selects"))
        if selects and selects[0].get("type") == "SelectQuery":  # its WITH is the whole UNION's
            known |= self._with(selects[0])
        for select in selects:
            self.visit(select, known)

    def visit(self, node: Any, known: frozenset[str]) -> None:
        """Any part of the tree; names and flags are no nodes."""
        if isinstance(node, list):
            for each in node:
                self.visit(each, known)
        elif isinstance(node, dict):
            self._node(node, known)

    def _node(self, node: Node, known: frozenset[str]) -> None:
        kind = node.get("type")
        _require_known(kind)
        if kind == "SelectWithUnionQuery":
            self.union(node, known)
            return
        if kind in _LEAVES:
            return
        if kind == "SelectQuery":
            known |= self._with(node)
        for key, value in node.items():
            if key not in _TABLES:
                self.visit(value, known)
        # After its parts: what is put in a node's place is not to be judged.
        match kind:
            case "TableExpression":
                self._table_expression(node, known)
            case "Function":
                self._function(node, known)
            case "Identifier":
                self._identifier(node)
            case "ColumnsApplyTransformer":
                self._named_function(str(node.get("func_name", "")))
            case _:
                pass

    def _with(self, select: Node) -> frozenset[str]:
        """Names that a SELECT's own WITH gives. None may be that of a table or of a file: whatever the engine made of it, it would be neither."""
        names = {str(each.get("name")) for each in _list(select.get("with")) if each.get("type") == "WithElement"}
        for name in names:
            if not _PLAIN.fullmatch(name) or name in HIDDEN:
                raise Refusal(497, f"Not enough privileges: a WITH may not be named {name!r} here")
        return frozenset(names)

    def _table_expression(self, node: Node, known: frozenset[str]) -> None:
        function = node.get("table_function")
        if function is not None:
            if function.get("name") not in TABLE_FUNCTIONS:
                raise Refusal(497, f"Not enough privileges: the table function {function.get('name')} is not allowed")
            for value in function.values():
                self.visit(value, known)
        table = node.get("database_and_table_name")
        if table is not None:
            self._table(node, table, known)

    def _table(self, node: Node, table: Node, known: frozenset[str]) -> None:
        self._fill_in(table)
        parts = _parts(table)
        if "uuid" in table or not 1 <= len(parts) <= 2:
            raise Refusal(497, "Not enough privileges: this table is not allowed")
        *databases, name = parts
        database = databases[0] if databases else self.judge.database
        if not databases and name in known:
            return
        if database == "system" and name in SYSTEM:
            alias = table.get("alias", name)
            node["subquery"] = {"type": "Subquery", "alias": alias, "children": [self.judge.view(name)]}
            del node["database_and_table_name"]
        elif database == "system" and name in PLAIN_SYSTEM:
            return
        elif database == self.judge.database and name in OFFERED:
            table["name"], table["name_parts"] = f"{database}.{name}", [database, name]
        elif databases or name in HIDDEN:
            raise Refusal(497, f"Not enough privileges: the table {'.'.join(parts)} is not allowed")
        else:
            raise Refusal(60, f"Unknown table expression identifier '{name}'")

    def _identifier(self, node: Node) -> None:
        self._fill_in(node)
        parts = _parts(node)
        if len(parts) == 1:
            self._named_function(parts[0])
        elif parts[0] == "system" and parts[1] in SYSTEM and len(parts) > 2:
            # The subquery that stands for the table is called by the table's name alone.
            node["name_parts"] = parts[1:]
            node["name"] = ".".join(parts[1:])

    def _function(self, node: Node, known: frozenset[str]) -> None:
        name = str(node.get("name"))
        self._named_function(name)
        if name in NAMES_OF_HOST:
            alias = node.get("alias", f"{name}()")
            node.clear()
            node |= {"type": "Literal", "value": {"field_type": "String", "value": DISPLAY_NAME}, "alias": alias}
            return
        arguments = _list(node.get("arguments"))
        if name.lower() in _IN and len(arguments) == 2 and arguments[1].get("type") == "Identifier":
            # The engine looks for a table of that name, too.
            asked = arguments[1]
            self._fill_in(asked)
            if len(_parts(asked)) != 1 or _parts(asked)[0] not in known:
                raise Refusal(
                    497, f"Not enough privileges: {asked.get('name')} after IN is no WITH's; write a subquery there"
                )

    def _named_function(self, name: str) -> None:
        if name and not self.judge.functions.allow(name):
            raise Refusal(497, f"Not enough privileges: the function {name} is not allowed")

    def _fill_in(self, node: Node) -> None:
        """Parameters that stand for names: judged as what they stand for."""
        asked = node.get("children")
        if not asked:
            return
        values = iter(self._plain_value(each) for each in asked)
        parts = [part or next(values) for part in node.get("name_parts") or [""]]
        del node["children"]
        node["name"] = ".".join(parts)
        if len(parts) > 1:
            node["name_parts"] = parts

    def _plain_value(self, parameter: Node) -> str:
        name = str(parameter.get("name"))
        if name not in self.parameters:
            raise Refusal(456, f"Substitution `{name}` is not set. (UNKNOWN_QUERY_PARAMETER)")
        value = self.parameters[name]
        if not _PLAIN.fullmatch(value):
            raise Refusal(
                457, f"Value {value!r} of the parameter {name!r} is no plain identifier. (BAD_QUERY_PARAMETER)"
            )
        return value


def _require_known(kind: Any) -> None:
    if kind == "SetQuery":
        raise Refusal(164, "SETTINGS belong at the end of the statement")
    if kind not in _KINDS:
        raise Refusal(497, f"Not enough privileges: {kind or 'this'} is nothing that may be asked here")


def _meaning(part: Any) -> Any:
    """Without what only says how it was written: ``5 DIV 2`` or ``intDiv(5, 2)``."""
    if isinstance(part, dict):
        return {key: _meaning(value) for key, value in part.items() if key != "is_operator"}
    return [_meaning(each) for each in part] if isinstance(part, list) else part


def _taken_format(tree: Node) -> str:
    """The name after FORMAT, taken out of the tree."""
    named = tree.pop("format_ast", None)
    return "" if named is None else str(named.get("name"))


def _taken_settings(tree: Node) -> tuple[tuple[str, str], ...]:
    """The settings at the end of the statement, taken out of the tree."""
    clauses = [tree.pop("settings_ast", None)]
    clauses += [select.pop("settings", None) for select in _list(tree.get("list_of_selects"))]
    found: list[tuple[str, str]] = []
    for clause in filter(None, clauses):
        if clause.keys() - {"type", "changes"}:
            raise Refusal(164, "SETTINGS may neither set defaults nor parameters here")
        found += [(str(change["name"]), _setting_value(change)) for change in clause.get("changes", ())]
    return tuple(found)


def _setting_value(change: Node) -> str:
    value = change.get("value")
    plain = value.get("value") if isinstance(value, dict) else None
    if not isinstance(plain, (str, int, float)):
        raise Refusal(164, f"Cannot modify '{change['name']}' setting in readonly mode")
    return str(int(plain)) if isinstance(plain, bool) else str(plain)


def _parts(node: Node) -> list[str]:
    return [str(part) for part in node.get("name_parts") or [node.get("name", "")]]


def _is_node(value: Any) -> bool:
    return isinstance(value, dict) and "type" in value


def _list(node: Any) -> list[Node]:
    """What a list of expressions holds."""
    return list(node.get("children", ())) if isinstance(node, dict) else []
