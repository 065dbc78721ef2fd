"""One file a schema: what turns a store of the schema before into one of this."""
