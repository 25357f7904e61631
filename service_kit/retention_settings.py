"""The section of the configuration about how long messages are kept."""

from __future__ import annotations

from pydantic import Field, model_validator

from matrix_protocol.retention import RetentionPolicy
from service_kit.settings_section import Section


class RetentionSettings(Section):
    """How long messages are kept (`m.room.retention`, MSC1763): older ones are shown to nobody, and then removed."""

    enabled: bool = Field(default=False, description="Whether a room's `max_lifetime` is honoured. Not: all is kept.")
    default_max_lifetime_s: int = Field(
        default=0, ge=0, description="For rooms that say nothing of it, in seconds. 0: their messages are kept."
    )
    max_lifetime_min_s: int = Field(
        default=86400, ge=0, description="The shortest time that a room may choose; shorter ones count as this."
    )
    max_lifetime_max_s: int = Field(
        default=0, ge=0, description="The longest time that a room may choose; longer ones count as this. 0: any."
    )
    purge_interval_s: int = Field(default=3600, ge=1, description="How often what has expired is removed.")

    @model_validator(mode="after")
    def _fits_together(self) -> RetentionSettings:
        if 0 < self.max_lifetime_max_s < self.max_lifetime_min_s:
            raise ValueError(
                "retention.max_lifetime_max_s is less than retention.max_lifetime_min_s: no time fits both"
            )
        return self

    def policy(self) -> RetentionPolicy | None:
        if not self.enabled:
            return None
        return RetentionPolicy(
            self.default_max_lifetime_s * 1000, self.max_lifetime_min_s * 1000, self.max_lifetime_max_s * 1000
        )
