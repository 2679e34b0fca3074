"""A network in namespaces: nodes, routers and clients on one machine, for suites and the demo."""
