"""Who may do what: tokens, roles and certificates, as files; used by the daemon and by rkctl."""
