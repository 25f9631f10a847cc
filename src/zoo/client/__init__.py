"""The client: a core without IO, the asyncio client, and its blocking twin."""
