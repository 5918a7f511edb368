"""The HTTPS API: routes, the caller, problem+json."""
