"""Work that outlives a call: pull, create, push."""
