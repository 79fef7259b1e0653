"""The rule files there are, each with where it lies and how it is read.

`RULE_FILES` is all that knows them; processes, commands and `handoff doctor` treat them alike.
"""

from typing import Any, Final

from rules.following.escalation import Escalation, default_escalation, load_escalation
from rules.following.guides.scripts import Scripts, default_scripts, load_scripts
from rules.policy.policy import Policy, default_policy, load_policy
from rules.telling.confidentiality import Confidentiality, default_confidentiality, load_confidentiality
from rules.telling.routes import Routes
from rules.telling.routes_file import default_routes, load_routes
from streams.run.rule_file import Rule, RuleKind, text, texts
from streams.run.site_file import FEEDS, SENDERS

POLICY: Final = RuleKind[Policy](
    Rule.POLICY,
    lambda settings: settings.policy,
    text(load_policy),
    lambda _: default_policy(),
    original="policy/policy.toml",
)
ROUTES: Final = RuleKind[Routes](
    Rule.ROUTES,
    lambda settings: settings.routes,
    text(load_routes),
    lambda _: default_routes(),
    original="telling/routes.toml",
)
CONFIDENTIALITY: Final = RuleKind[Confidentiality](
    Rule.CONFIDENTIALITY,
    lambda settings: settings.confidentiality,
    text(load_confidentiality),
    lambda _: default_confidentiality(),
    original="telling/confidentiality.toml",
)
ESCALATION: Final = RuleKind[Escalation](
    Rule.ESCALATION,
    lambda settings: settings.escalation,
    text(load_escalation),
    lambda _: default_escalation(),
    original="following/escalation.toml",
)
GUIDES: Final = RuleKind[Scripts](
    Rule.GUIDES,
    lambda settings: settings.guides,
    texts(load_scripts),
    lambda _: default_scripts(),
    original="following/guides",
)
RULE_FILES: Final[tuple[RuleKind[Any], ...]] = (POLICY, ROUTES, CONFIDENTIALITY, ESCALATION, GUIDES, FEEDS, SENDERS)
assert {kind.rule for kind in RULE_FILES} == set(Rule)
