"""The chassis's own tables, and one for what handlers did."""

from chassis.migrations import run, run_chassis_schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_chassis_schema("0001")
    run_chassis_schema("0003")
    run_chassis_schema("0004")
    run_chassis_schema("0006")
    run_chassis_schema("0007")
    run_chassis_schema("0008")
    run("CREATE TABLE effects (id serial PRIMARY KEY, subject text NOT NULL, sequence integer NOT NULL)")


def downgrade() -> None:
    raise NotImplementedError("Changes only go forward.")
