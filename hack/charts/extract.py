"""Every query that the charts carry: of dashboards, of their variables, and of alert rules. Needs nothing but Python."""
import json
import pathlib
import re
import textwrap

CHARTS = pathlib.Path(__file__).resolve().parent.parent.parent / "charts"
DASHBOARDS = CHARTS / "grafana" / "dashboards"
ALERTS = CHARTS / "prometheus" / "files" / "alerts.yaml"
# What Grafana puts for a variable of which all values are chosen, and for a rate's interval.
VARIABLES = {"$__rate_interval": "20s", "$namespace": ".*", "$instance": ".*"}
METRIC = re.compile(r"\b(?:(?:bbs|process|user_info_operator)_\w+|up)\b(?!\s*\()")


def block(text, key):
    """What stands under the first `key:` of a YAML text, in its line or as a literal block below it."""
    return next(blocks(text, key))


def blocks(text, key):
    """The same for each `key:`."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        found = re.match(rf"( *(?:- )?){re.escape(key)}: ?(.*)$", line)
        if not found:
            continue
        if not found[2].startswith("|"):
            yield found[2]
            continue
        indent, body = len(found[1]), []
        for below in lines[number + 1:]:
            if below.strip() and len(below) - len(below.lstrip()) <= indent:
                break
            body.append(below)
        yield textwrap.dedent("\n".join(body)).rstrip() + "\n"


def panels(dashboard):
    """The panels of a dashboard, with those in collapsed rows."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def dashboards():
    """The dashboards as (file name, content)."""
    for path in sorted(DASHBOARDS.glob("*.json")):
        yield path.name, json.loads(path.read_text())


def queries():
    """Every query as a dictionary of kind (panel, variable or alert), file, title and expr as written there."""
    for file, dashboard in dashboards():
        for panel in panels(dashboard):
            for target in panel.get("targets", []):
                yield {"kind": "panel", "file": file, "title": panel["title"], "expr": target["expr"]}
        for variable in dashboard["templating"]["list"]:
            values = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]) if variable["type"] == "query" else None
            if values:
                yield {"kind": "variable", "file": file, "title": variable["name"], "expr": f"count by ({values[2]}) ({values[1]})"}
    text = ALERTS.read_text()
    for title, expr in zip(blocks(text, "alert"), blocks(text, "expr"), strict=True):
        yield {"kind": "alert", "file": ALERTS.name, "title": title, "expr": expr.strip()}


def filled(expr):
    """A query as Grafana sends it."""
    for variable, value in VARIABLES.items():
        expr = expr.replace(variable, value)
    return expr


def metrics(expr):
    """Names of the metrics that a query reads."""
    return set(METRIC.findall(re.sub(r'"[^"]*"', '""', expr)))
