"""The way from an older store to the present one: Alembic runs `versions`, one file a schema, through `env`."""
