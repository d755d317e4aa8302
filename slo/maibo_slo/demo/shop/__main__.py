"""One process of the shop, on a socket that it inherits: ``python -m maibo_slo.demo.shop storefront --fd 7 …``."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
import httpx2
import uvicorn
import yaml
from fastapi import FastAPI

import maibo
from maibo.asgi import JourneyMiddleware
from maibo_slo.demo.shop import SERVICES, cart, payment, storefront
from maibo_slo.demo.shop.notes import Identity, Inside, Notes, Outside, spans_now
from maibo_slo.demo.shop.work import Work


def shop_app(
    identity: Identity,
    client: httpx2.AsyncClient,
    *,
    next_url: str,
    seed: str,
    notes: Notes,
    documents: Path,
) -> FastAPI:
    """One service of the shop, tagged by the Journey documents in a folder; it asks the service behind it, at `next_url`, by `client`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with notes:
            async with client:
                yield

    service = identity.service
    app = FastAPI(title=service, version=identity.version, lifespan=lifespan)
    work = Work(seed)
    if service == "storefront":
        storefront.add_routes(app, work, client, cart=next_url)
    elif service == "cart":
        cart.add_routes(app, work, client, payment=next_url)
    else:
        payment.add_routes(app, work, version=identity.version)
    app.get("/-/spans", include_in_schema=False)(spans_now)

    app.add_middleware(Inside)
    app.add_middleware(JourneyMiddleware, documents=journey_documents(documents), customer=storefront.customer)
    app.add_middleware(Outside, notes=notes, identity=identity)  # the one added last is the outermost
    return app


def journey_documents(folder: Path) -> list[dict[str, Any]]:
    """Every Journey document of a folder, as the SDK takes them."""
    found = [each for path in sorted(folder.glob("*.yaml")) for each in yaml.safe_load_all(path.read_text())]
    return [each for each in found if each["kind"] == "Journey"]


@click.command()
@click.argument("service", type=click.Choice(SERVICES))
@click.option("--fd", type=int, required=True, help="the listening socket")
@click.option("--name", required=True, help="of this process, in the notes")
@click.option("--version", required=True)
@click.option("--region", required=True)
@click.option("--seed", type=int, required=True)
@click.option("--otlp", required=True, help="where spans go")
@click.option("--next", "next_url", default="", help="the service behind this one")
@click.option("--documents", type=click.Path(path_type=Path), required=True)
@click.option("--notes", "folder", type=click.Path(path_type=Path), required=True)
def main(
    service: str,
    fd: int,
    name: str,
    version: str,
    region: str,
    seed: int,
    otlp: str,
    next_url: str,
    documents: Path,
    folder: Path,
) -> None:
    """Run one process of the demo's shop until SIGTERM."""
    notes = Notes(folder, name)
    maibo.configure(
        service, version=version, region=region, environment="demo", endpoint=otlp, on_journey_end=notes.journey_ended
    )
    client = httpx2.AsyncClient(trust_env=False, timeout=30)
    app = shop_app(
        Identity(name, service, version, region),
        client,
        next_url=next_url,
        seed=f"{seed} {name}",
        notes=notes,
        documents=documents,
    )
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning"))
    server.run(sockets=[socket.socket(fileno=fd)])


if __name__ == "__main__":
    main()
