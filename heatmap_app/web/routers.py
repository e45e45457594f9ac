"""The explicit table of server-rendered pages: a new one is its module and its line here."""

from __future__ import annotations

from fastapi import APIRouter

ROUTERS: tuple[APIRouter, ...] = ()
