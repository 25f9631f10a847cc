"""The replicated state: data tree, ACLs, quota, digest, watches, changes."""
