"""What learns the background."""

from bgsub.models.base import Model

__all__ = ["Model"]
