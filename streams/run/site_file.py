"""`handoff.toml` in; the feeds and senders it names, as rule files, out. All that the listener reads of rules."""

from typing import Final

from parsers.feeds import Feeds
from parsers.senders import Senders
from rules.policy.rule_file import checked
from streams.run.rule_file import Rule, RuleKind, text

FEEDS: Final = RuleKind[Feeds](
    Rule.FEEDS,
    lambda settings: settings.feeds_file,
    text(lambda toml: checked(toml, Feeds, part="feeds")),
    lambda settings: Feeds(feeds=settings.feeds),
    may_be_missing=True,
)
SENDERS: Final = RuleKind[Senders](
    Rule.SENDERS,
    lambda settings: settings.feeds_file,
    text(lambda toml: checked(toml, Senders, part="senders")),
    lambda settings: Senders(senders=settings.senders),
    may_be_missing=True,
)
