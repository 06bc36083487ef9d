"""Search as a service: an HTTP API with a page to look at, and the tools of the Model Context Protocol."""
