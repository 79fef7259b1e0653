"""What a browser says of itself in, words its owner knows it by out ("Firefox on Windows"), without versions. Pure."""

from typing import Final

_BROWSERS: Final = (  # in this order: each also says the words of those after it
    *(("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("FxiOS/", "Firefox")),
    *(("CriOS/", "Chrome"), ("Chrome/", "Chrome"), ("Safari/", "Safari")),
)
_SYSTEMS: Final = (
    *(("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows")),
    *(("CrOS", "ChromeOS"), ("Mac OS X", "Mac"), ("Linux", "Linux")),
)


def device_of(user_agent: str) -> str:
    """Family of browser and system; "another program" for what is no browser we know."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if not browser:
        return "another program"
    return f"{browser} on {system}" if system else browser
