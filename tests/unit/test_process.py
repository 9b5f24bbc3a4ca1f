"""What a stage's process is given."""

from __future__ import annotations

import pytest

from xtl.process import _environment


def test_what_stages_fetch_from_a_bucket_is_kept_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XTL_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert _environment(2, "s3://bucket/study")["XTL_CACHE"] == "/caches/xtl/stages"
    assert "XTL_CACHE" not in _environment(2, "/folder/store"), "a folder is near enough"


@pytest.mark.parametrize("mine", ["/fast/disk", ""])
def test_the_users_own_word_counts(mine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty one switches the cache off."""
    monkeypatch.setenv("XTL_CACHE", mine)
    assert _environment(2, "s3://bucket/study")["XTL_CACHE"] == mine
