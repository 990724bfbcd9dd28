"""What is made wrong, and which tests must notice: the file's own first, then those that go through it."""

from __future__ import annotations

SESSION = (
    "tests/shared/test_session.py",
    "tests/shared/test_hostile.py",
    "tests/shared/test_session_resume.py",
    "tests/shared/test_money_rules.py",
    "tests/shared/test_detached.py",
    "tests/shared/test_session_guest.py",
    "tests/shared/test_windows.py",
    "tests/shared/test_user.py",
    "tests/shared/test_user_return.py",
)
SUBJECTS: dict[str, tuple[str, ...]] = {
    "session/tables.py": ("tests/shared/test_tables_on_paper.py", "tests/shared/test_tables.py", *SESSION),
    "money.py": ("tests/shared/test_money.py", *SESSION, "tests/property/test_money.py"),
    "voucher.py": ("tests/shared/test_voucher.py", *SESSION),
    "session/purse.py": ("tests/shared/test_purse.py", *SESSION),
    "session/client_stream.py": ("tests/shared/test_client_stream.py", *SESSION),
    "session/provider_stream.py": ("tests/shared/test_provider_stream.py", *SESSION),
}
