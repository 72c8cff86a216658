"""What `verify` accepts, refuses, displays and records."""

import numpy as np
import pytest

from audiolab import claims


@pytest.fixture
def shown(monkeypatch):
    bundles = []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: bundles.append(data))
    monkeypatch.setattr(claims, "_session", {})
    return bundles


@pytest.mark.parametrize("value, bound, line", [
    (0.97, dict(at_least=0.95), "✓ F1: 0.97 (at least 0.95)"),
    (0.2, dict(at_most=0.5, unit="dB"), "✓ F1: 0.2 dB (at most 0.5 dB)"),
    (6.02, dict(close_to=6, tol=0.1, unit="dB"), "✓ F1: 6.02 dB (6 ± 0.1 dB)"),
    (0, dict(close_to=0, tol=0), "✓ F1: 0 (exactly 0)"),
])
def test_true_claims_are_shown_and_recorded(shown, value, bound, line):
    claims.verify("F1", value, **bound)
    assert shown[0]["text/plain"] == line
    record = shown[0][claims.MIME]
    assert record["holds"] and record["value"] == value and record["name"] == "F1"


@pytest.mark.parametrize("value, bound", [
    (0.94, dict(at_least=0.95)), (0.6, dict(at_most=0.5)), (6.2, dict(close_to=6, tol=0.1)),
    (np.nan, dict(at_least=0)), (np.nan, dict(at_most=1)), (np.nan, dict(close_to=0, tol=1)), (np.inf, dict(at_most=1)),
])
def test_false_claims_are_shown_and_raise(shown, value, bound):
    with pytest.raises(claims.ClaimError, match="✗ F1"):
        claims.verify("F1", value, **bound)
    assert shown[0][claims.MIME]["holds"] is False


def test_times_are_not_enforced(shown):
    claims.verify("quick", 9.0, at_most=1, unit="s", timing=True)
    assert shown[0]["text/plain"] == "· quick: 9 s (at most 1 s, a time: not enforced)"


@pytest.mark.parametrize("bound", [{}, dict(at_least=1, at_most=2), dict(close_to=1), dict(at_least=1, tol=0.1)])
def test_a_claim_needs_one_bound(shown, bound):
    with pytest.raises(ValueError, match="verify needs"):
        claims.verify("x", 1, **bound)
    assert shown == []


def test_show_gives_the_source_as_markdown(shown):
    claims.show(claims.bound_text)
    assert shown[0]["text/markdown"].startswith("```python\ndef bound_text(record):")


def test_the_table_holds_every_claim_once(shown):
    claims.verify("a <b>", 1, at_least=0)
    claims.verify("c", 1, at_least=0)
    claims.verify("c", 2, at_least=0)
    claims.table()
    assert shown[-1]["text/plain"].count("\n") == 1
    assert "a &lt;b&gt;" in shown[-1]["text/html"] and "<b>2</b>" in shown[-1]["text/html"]
