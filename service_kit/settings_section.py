"""What all sections of the configuration have in common (`service_kit.config`)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Frozen; refuses keys that are not declared."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
