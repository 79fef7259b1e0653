"""How much each feed says hour by hour, learned from the endings that are kept; how it is against its own rhythm."""

import sqlalchemy as sa
from alembic import op

revision = "0080"
down_revision = "0061"
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def _whole(name: str, default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default=default, nullable=False)


_LEARNED = """
INSERT INTO feed_hours (feed, hour_us, said, messages, last_us)
SELECT feed, hour_us, said, count(*), max(received_us) FROM (
    SELECT feed, received_us - received_us % 3600000000 AS hour_us, received_us, CASE
        WHEN "trigger" IN ('A01', 'A04') THEN 'arrival' WHEN "trigger" = 'A03' THEN 'discharge'
        WHEN "trigger" IN ('A02', 'A06', 'A07') THEN 'move' ELSE 'other' END AS said
    FROM ledger WHERE feed <> '' AND ending <> 'test_message'
) AS heard GROUP BY feed, hour_us, said
"""


def upgrade() -> None:
    op.create_table(
        "feed_tallies",
        sa.Column("tally_id", sa.Integer().with_variant(sa.BigInteger(), "postgresql"), autoincrement=True),
        _text("feed"),
        _text("said"),
        _whole("hour_us"),
        _whole("messages"),
        _whole("last_us"),
        sa.PrimaryKeyConstraint("tally_id", name=op.f("pk_feed_tallies")),
    )
    op.create_table(
        "feed_hours",
        _text("feed"),
        _whole("hour_us"),
        _text("said"),
        _whole("messages"),
        _whole("last_us"),
        sa.PrimaryKeyConstraint("feed", "hour_us", "said", name=op.f("pk_feed_hours")),
    )
    op.create_index("ix_feed_hours_hour_us", "feed_hours", ["hour_us"])
    op.create_table(
        "feed_talk",
        _text("feed"),
        _text("talk"),
        _text("what"),
        _whole("since_us", "0"),
        sa.Column("usual", sa.Float(), server_default="0", nullable=False),
        _whole("came", "0"),
        _whole("changed_us"),
        _whole("told_us", "0"),
        sa.PrimaryKeyConstraint("feed", name=op.f("pk_feed_talk")),
    )
    op.execute(_LEARNED)
