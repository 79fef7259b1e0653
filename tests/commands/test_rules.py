"""`handoff rules`: what is shipped, written to be edited, holds unchanged and overwrites nothing."""

from pathlib import Path

import pytest

from streams.commands.rules import COPIED, run_rules
from streams.run.problems import Problem
from streams.run.rule_file import RuleFile
from streams.run.rule_files import RULE_FILES
from streams.run.settings import load_settings


@pytest.mark.parametrize("rule", sorted(COPIED))
def test_a_copy_says_what_is_shipped_and_the_line_that_makes_it_one_s_own(
    rule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings(data_dir=tmp_path / "data")
    assert run_rules(settings, rule) == 0
    said = capsys.readouterr().out
    (tmp_path / "handoff.toml").write_text(next(line for line in said.splitlines() if line.startswith(f"{rule} = ")))
    (kind,) = [kind for kind in RULE_FILES if kind.rule.value == rule]
    target = tmp_path / "data" / Path(COPIED[rule]).name
    own = RuleFile(kind, load_settings(**{rule: target}))
    assert own.current() == kind.shipped(settings)
    assert str(target) in (tmp_path / "handoff.toml").read_text()
    with pytest.raises(Problem, match="there already"):
        run_rules(settings, rule)


def test_what_is_no_rule_file_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="expected confidentiality, escalation, guides, policy, routes"):
        run_rules(load_settings(data_dir=tmp_path), "feeds")
