"""Tool calls as models write them: one small file a way of writing, one table of families."""
