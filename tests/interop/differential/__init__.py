"""One seeded stream of client requests, two servers in lockstep, all answers compared.

How it works: `generator` makes a stream (plain JSON-able steps) from a seed; `side` performs the
steps on one server and reads what comes back; `view` turns the answers into values that two servers
must agree on (session ids by order, zxids as offsets from the start of the stream, times to their
relations); `lockstep` drives two sides and compares after every step; `shrink` drops steps from a
failing stream while the difference stays; `campaign` runs many streams on one pair of servers.

    python -m tests.interop.differential --seed 1 --streams 1000 --left java --right zoo
"""
