"""An editor's word on the domain of the entity in the panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from heatmap_app.pages.site import Handler, Page
from heatmap_app.users import DESK
from pipelines.errors import InputError, StoreError
from pipelines.model import Domain

log = structlog.get_logger(__name__)


def _set_domain(page: Page, value: Any) -> None:
    if page.entity is None or page.state.at is not None or value not in tuple(Domain):
        return  # a page that looks back has no such control
    user = page.user()
    if user is None or not user.may("editor"):
        page.refresh("The domain was not changed: that needs the role editor.")
        return
    actor = "desk" if user == DESK else user.id
    seen, said = page.entity.entity, None
    try:
        page.site.reader.set_domain(seen.id, str(value), actor, str(seen.domain))
    except InputError as error:
        said = f"The domain was not changed: {error}."
    except StoreError:
        log.exception("page: the domain was not changed")
        said = "The domain was not changed: the database does not answer. Choose it again in a moment."
    except Exception:
        log.exception("page: the domain was not changed")
        said = "The domain was not changed: something went wrong; it is in the log."
    page.refresh(said)


EVENTS: Mapping[str, Handler] = {"set-domain": _set_domain}
