"""The gateway: an OpenAI-compatible server that steers every answer and records every decision.

    app, server         the routes, and the server that runs them
    workers, worker     several processes of one gateway: the parent, and what it gives to each
    gateway             the parts that endpoints share, opened and closed together
    settings            the configuration
    keys, loopback      access: clients with a key; while there are no keys, this machine alone
    limits, policies    how much a key may take, and under which policies it is answered
    sharing, batch      the same limits for all processes on a PostgreSQL
    presence            which of these are alive
    upstream, proxy     the engine that writes, and requests that are passed through to it
    text                text that UTF-8 cannot write, for clients and databases
    errors              the reply to each class of errors
    http/               bodies, replies, refusals, and the endpoints that give no answers
    answers/            from a request to its answer and its record
    store/              the audit store: every decision, found, summed and exported
    dashboard/          pages for people
    telemetry/          logs, metrics and traces

A request comes in through `http.edge`, `answers.endpoint` answers it, and `answers.account` keeps
the record of its answer.
"""

from gtalign.gateway.settings import GatewayConfig

__all__ = ["GatewayConfig"]
