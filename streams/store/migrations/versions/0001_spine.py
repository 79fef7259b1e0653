"""The way of one message: ledger, panel, directory, stays, alerts, outbox, actions, audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "actions",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("alert_id", sa.Text(), server_default="", nullable=False),
        sa.Column("case_manager_id", sa.Text(), server_default="", nullable=False),
        sa.Column("action", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("undone", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_actions")),
    )
    op.create_index("ix_actions_alert_id", "actions", ["alert_id"], unique=False)
    op.create_table(
        "alert_owners",
        sa.Column("case_manager_id", sa.Text(), server_default="", nullable=False),
        sa.Column("alert_id", sa.Text(), server_default="", nullable=False),
        sa.Column("because", sa.Text(), server_default="", nullable=False),
        sa.Column("owning", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("case_manager_id", "alert_id", name=op.f("pk_alert_owners")),
    )
    op.create_index("ix_alert_owners_alert_id", "alert_owners", ["alert_id"], unique=False)
    op.create_table(
        "alert_versions",
        sa.Column("alert_id", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("decided_us", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("alert_id", "version", name=op.f("pk_alert_versions")),
    )
    op.create_index("ix_alert_versions_position", "alert_versions", ["position"], unique=True)
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("stay_id", sa.Text(), server_default="", nullable=False),
        sa.Column("enrollee_id", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), server_default="", nullable=False),
        sa.Column("priority", sa.Text(), server_default="", nullable=False),
        sa.Column("action", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("decided_us", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("document", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_alerts")),
    )
    op.create_index("ix_alerts_enrollee_id", "alerts", ["enrollee_id"], unique=False)
    op.create_index("ix_alerts_stay_id", "alerts", ["stay_id"], unique=False)
    op.create_table(
        "audit",
        sa.Column(
            "audit_id", sa.Integer().with_variant(sa.BigInteger(), "postgresql"), autoincrement=True, nullable=False
        ),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("case_manager_id", sa.Text(), server_default="", nullable=False),
        sa.Column("what", sa.Text(), server_default="", nullable=False),
        sa.Column("alert_id", sa.Text(), server_default="", nullable=False),
        sa.Column("enrollee_id", sa.Text(), server_default="", nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_alert_id", "audit", ["alert_id"], unique=False)
    op.create_index("ix_audit_at_us", "audit", ["at_us"], unique=False)
    op.create_index("ix_audit_enrollee_id", "audit", ["enrollee_id"], unique=False)
    op.create_table(
        "case_managers",
        sa.Column("case_manager_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("role", sa.Text(), server_default="", nullable=False),
        sa.Column("network_id", sa.Text(), server_default="", nullable=False),
        sa.Column("lme_mco_id", sa.Text(), server_default="", nullable=False),
        sa.Column("email", sa.Text(), server_default="", nullable=False),
        sa.Column("practices", sa.Text(), server_default="", nullable=False),
        sa.Column("hours", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("case_manager_id", name=op.f("pk_case_managers")),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counters")),
    )
    op.create_table(
        "crosswalk",
        sa.Column("system", sa.Text(), server_default="", nullable=False),
        sa.Column("value", sa.Text(), server_default="", nullable=False),
        sa.Column("enrollee_id", sa.Text(), server_default="", nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("system", "value", name=op.f("pk_crosswalk")),
    )
    op.create_index("ix_crosswalk_seq", "crosswalk", ["seq"], unique=False)
    op.create_table(
        "enrollees",
        sa.Column("enrollee_id", sa.Text(), nullable=False),
        sa.Column("medicaid_id", sa.Text(), server_default="", nullable=False),
        sa.Column("ssn", sa.Text(), server_default="", nullable=False),
        sa.Column("last", sa.Text(), server_default="", nullable=False),
        sa.Column("first", sa.Text(), server_default="", nullable=False),
        sa.Column("middle", sa.Text(), server_default="", nullable=False),
        sa.Column("suffix", sa.Text(), server_default="", nullable=False),
        sa.Column("birth_date", sa.Text(), server_default="", nullable=False),
        sa.Column("sex", sa.Text(), server_default="", nullable=False),
        sa.Column("street", sa.Text(), server_default="", nullable=False),
        sa.Column("city", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="", nullable=False),
        sa.Column("zip", sa.Text(), server_default="", nullable=False),
        sa.Column("county", sa.Text(), server_default="", nullable=False),
        sa.Column("phone", sa.Text(), server_default="", nullable=False),
        sa.Column("mother_enrollee_id", sa.Text(), server_default="", nullable=False),
        sa.Column("mrns", sa.Text(), server_default="", nullable=False),
        sa.Column("practice_id", sa.Text(), server_default="", nullable=False),
        sa.Column("pcp_npi", sa.Text(), server_default="", nullable=False),
        sa.Column("risk_tier", sa.Text(), server_default="", nullable=False),
        sa.Column("programs", sa.Text(), server_default="", nullable=False),
        sa.Column("consent", sa.Text(), server_default="", nullable=False),
        sa.Column("effective_from", sa.Text(), server_default="", nullable=False),
        sa.Column("effective_to", sa.Text(), server_default="", nullable=False),
        sa.Column("language", sa.Text(), server_default="", nullable=False),
        sa.Column("former_names", sa.Text(), server_default="", nullable=False),
        sa.Column("former_addresses", sa.Text(), server_default="", nullable=False),
        sa.Column("former_phones", sa.Text(), server_default="", nullable=False),
        sa.Column("former_mrns", sa.Text(), server_default="", nullable=False),
        sa.Column("home_since", sa.Text(), server_default="", nullable=False),
        sa.Column("gone", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("enrollee_id", name=op.f("pk_enrollees")),
    )
    op.create_index("ix_enrollees_practice_id", "enrollees", ["practice_id", "gone"], unique=False)
    op.create_index("ix_enrollees_seq", "enrollees", ["seq"], unique=False)
    op.create_table(
        "feeds",
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed", name=op.f("pk_feeds")),
    )
    op.create_table(
        "fingerprints",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), server_default="", nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_fingerprints")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_fingerprints_received_us", "fingerprints", ["received_us"], unique=False)
    op.create_table(
        "ledger",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("ending", sa.Text(), server_default="", nullable=False),
        sa.Column("code", sa.Text(), server_default="", nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Text(), server_default="", nullable=False),
        sa.Column("feed", sa.Text(), server_default="", nullable=False),
        sa.Column("control_id", sa.Text(), server_default="", nullable=False),
        sa.Column("trigger", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_ledger")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "networks",
        sa.Column("network_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("network_id", name=op.f("pk_networks")),
    )
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("decided_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_outbox")),
    )
    op.create_table(
        "practices",
        sa.Column("practice_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("network_id", sa.Text(), server_default="", nullable=False),
        sa.Column("county", sa.Text(), server_default="", nullable=False),
        sa.Column("phone", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("practice_id", name=op.f("pk_practices")),
    )
    op.create_table(
        "seen",
        sa.Column("case_manager_id", sa.Text(), server_default="", nullable=False),
        sa.Column("alert_id", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("seen_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("case_manager_id", "alert_id", name=op.f("pk_seen")),
    )
    op.create_table(
        "sign_in_links",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("case_manager_id", sa.Text(), server_default="", nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("used_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sign_in_links")),
    )
    op.create_table(
        "stay_keys",
        sa.Column("key", sa.Text(), server_default="", nullable=False),
        sa.Column("stay_id", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("key", "stay_id", name=op.f("pk_stay_keys")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "stays",
        sa.Column("stay_id", sa.Text(), nullable=False),
        sa.Column("enrollee_id", sa.Text(), server_default="", nullable=False),
        sa.Column("facility", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), server_default="", nullable=False),
        sa.Column("active_us", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("stay_id", name=op.f("pk_stays")),
    )
    op.create_index("ix_stays_enrollee_id", "stays", ["enrollee_id", "active_us"], unique=False)
    for name in ("position", "crosswalk", "panel", "directory", "events"):
        op.execute(f"INSERT INTO counters (name, value) VALUES ('{name}', 0)")  # noqa: S608
