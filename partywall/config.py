"""One TOML file for the three roles. Each room owns its settings; this only gathers them.

A plain field of a role stands in the section of the role (`[analyzer] cycle_s`); a field that is
itself settings is a section of its own (`[detect]`), a field that lists settings a list of tables
named in the singular (`[[scrape]]`, `[[resource]]`). A section several roles know is given to each.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from partywall.failures import Failure
from partywall.loader import EnvText, Fault, fields_of, lists_settings, load, singular
from partywall.roles import ROLES, AnalyzerSettings, CollectorSettings, DashboardSettings

DEFAULT_FILE = Path("partywall.toml")
ENV_PREFIX = "PARTYWALL__"

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

S = TypeVar("S", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What all roles share: the data directory."""

    data: Path = Path("data")


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration; `file` is None when none was read and the defaults hold."""

    service: ServiceSettings
    collector: CollectorSettings
    analyzer: AnalyzerSettings
    dashboard: DashboardSettings
    file: Path | None = None


class ConfigError(Failure):
    """The configuration cannot be used; `faults` holds everything wrong with it."""

    def __init__(self, faults: list[Fault], source: str) -> None:
        lines = "\n  ".join(str(fault) for fault in faults)
        super().__init__(
            f"the configuration has {len(faults)} fault(s)",
            f"{source}:\n  {lines}",
            "correct these lines; docs/reference/configuration.md lists every setting",
        )
        self.faults = faults


def read(file: Path | None = None, env: Mapping[str, str] | None = None) -> Config:
    """The configuration of a file (default `partywall.toml` if it is there) and the environment.

    Raises ConfigError with every fault at once.
    """
    source = file or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    document = _document(source)
    faults: list[Fault] = []
    _overlay(document, os.environ if env is None else env, faults)
    config = gather(document, faults, source)
    if faults or config is None:
        raise ConfigError(faults, str(source) if source else "defaults and environment")
    return config


def gather(
    document: Mapping[str, Any], faults: list[Fault], file: Path | None = None
) -> Config | None:
    """The roles' settings out of one document; None when a fault was found."""
    _unknown_sections(document, faults)
    service = load(ServiceSettings, _section(document, "service", faults), "service", faults)
    if service is None:
        return None
    collector = _settings(CollectorSettings, "collector", document, service, faults)
    analyzer = _settings(AnalyzerSettings, "analyzer", document, service, faults)
    dashboard = _settings(DashboardSettings, "dashboard", document, service, faults)
    if collector is None or analyzer is None or dashboard is None:
        return None
    if "directory" not in _section(document, "spool", faults):
        spool = dataclasses.replace(collector.spool, directory=collector.data / "spool")
        collector = dataclasses.replace(collector, spool=spool)
    if "api" not in _section(document, "dashboard", faults):
        dashboard = dataclasses.replace(dashboard, api=address(analyzer.listen))
    _problems((collector, analyzer, dashboard), faults)
    return None if faults else Config(service, collector, analyzer, dashboard, file)


def address(listen: str) -> str:
    """`host:port` of a setting as the base of URLs one can call from this machine."""
    host, _, port = listen.rpartition(":")
    return f"http://{'127.0.0.1' if host in ('', '0.0.0.0', '[::]') else host}:{port}"


def sections(cls: type) -> dict[str, str]:
    """Sections of their own that a role's settings know: section name -> field."""
    known = {}
    for name, kind in fields_of(cls).items():
        if _is_settings(kind):
            known[name] = name
        elif lists_settings(kind):
            known[singular(name)] = name
    return known


def _is_settings(kind: Any) -> bool:
    alternatives = [k for k in get_args(kind) if k is not type(None)] or [kind]
    return len(alternatives) == 1 and dataclasses.is_dataclass(alternatives[0])


def _settings(
    cls: type[S],
    role: str,
    document: Mapping[str, Any],
    service: ServiceSettings,
    faults: list[Fault],
) -> S | None:
    own = sections(cls)
    plain = dict(_section(document, role, faults))
    for key in [key for key in plain if key in own.values()]:
        faults.append(
            Fault(f"{role}.{key}", "has a section of its own", f"write [{key}] at the top")
        )
        del plain[key]
    tables = {field: document[name] for name, field in own.items() if name in document}
    if "data" in fields_of(cls) and "data" not in plain:
        plain["data"] = service.data
    found: list[Fault] = []
    settings = load(cls, {**plain, **tables}, "", found)
    faults.extend(_renamed(fault, role, own) for fault in found)
    return settings


def _renamed(fault: Fault, role: str, own: Mapping[str, str]) -> Fault:
    """The key as it is written in the file: `scrapes[0].url` is `scrape[0].url`."""
    names = {field: section for section, field in own.items()}
    field = fault.key.replace("[", ".").split(".", 1)[0]
    if field in names:
        return dataclasses.replace(fault, key=names[field] + fault.key[len(field) :])
    return dataclasses.replace(fault, key=f"{role}.{fault.key}" if fault.key else role)


def _problems(settings: Sequence[object], faults: list[Fault]) -> None:
    """What the rooms themselves find: `problems()` answers lines "key: what, remedy"."""
    seen = {str(fault) for fault in faults}
    for role in settings:
        for line in getattr(role, "problems", list)():
            key, _, rest = line.partition(": ")
            what, _, remedy = rest.partition(", ")
            fault = Fault(key, what, remedy)
            if str(fault) not in seen:
                seen.add(str(fault))
                faults.append(fault)


def _unknown_sections(document: Mapping[str, Any], faults: list[Fault]) -> None:
    known = {"service", *ROLES}
    for cls in ROLES.values():
        known.update(sections(cls))
    for name in document:
        if name not in known:
            close = difflib.get_close_matches(name, sorted(known), n=1)
            remedy = (
                f"did you mean [{close[0]}]?" if close else "known: " + ", ".join(sorted(known))
            )
            faults.append(Fault(name, "is not a section", remedy))


def _section(document: Mapping[str, Any], name: str, faults: list[Fault]) -> Mapping[str, Any]:
    table = document.get(name, {})
    if isinstance(table, Mapping):
        return table
    faults.append(Fault(name, "is not a table", f"write [{name}]"))
    return {}


def _document(source: Path | None) -> dict[str, Any]:
    if source is None:
        return {}
    try:
        return tomllib.loads(source.read_text("utf-8"))
    except OSError as wrong:
        raise Failure(
            f"cannot read {source}",
            wrong.strerror or str(wrong),
            "give the right --config FILE",
            code=2,
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise Failure(
            f"{source} is not TOML", str(wrong), "correct the named line", code=2
        ) from None


def _overlay(document: dict[str, Any], env: Mapping[str, str], faults: list[Fault]) -> None:
    """Put `PARTYWALL__SECTION__KEY=value` over the file; deeper keys nest with more `__`."""
    for variable in sorted(env):
        if not variable.startswith(ENV_PREFIX):
            continue
        *path, key = variable[len(ENV_PREFIX) :].lower().split("__")
        table = document
        for part in path:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                break
        if path and isinstance(table, dict) and key:
            table[key] = EnvText(env[variable])
        else:
            faults.append(
                Fault(variable, "names no setting", f"write {ENV_PREFIX}SECTION__KEY=value")
            )
