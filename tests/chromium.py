"""The Chromium that the page tests and the pictures drive: the machine's own where there is one, and how it is started."""

from __future__ import annotations

import shutil

UNUSED = (
    "AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding", "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect", "TcpPortRandomizationWin", "OptimizationHints", "NetworkTimeServiceQuerying",
    "AimEnabled", "PreconnectToSearch", "WebUIOmniboxPopup", "WebUIOmniboxAimPopup",
)  # fmt: skip
"""What playwright switches off by itself, which a list of one's own replaces, and the two pages that Chromium draws beside
every window for the suggestions of its address bar: nobody sees them, and they take a second of a core each time."""

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    f"--disable-features={','.join(UNUSED)}",
]


def program() -> str | None:
    """Where the machine's Chromium is; None where playwright's own is to be taken."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)
