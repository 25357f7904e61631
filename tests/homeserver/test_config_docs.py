"""The pages that are made from the settings."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from homeserver.config_docs import development, example, markdown
from service_kit.config import Settings, load_settings, split_address


def test_the_example_is_a_configuration_of_all_defaults(tmp_path: Path) -> None:
    path = tmp_path / "plexus.yaml"
    path.write_text(example(), "utf-8")
    assert load_settings(path).model_dump() == Settings().model_dump()


def test_every_setting_is_documented() -> None:
    page = markdown()
    missing = []
    for name, field in Settings.model_fields.items():
        value = getattr(Settings(), name)
        keys = [f"{name}.{key}" for key in type(value).model_fields] if isinstance(value, BaseModel) else [name]
        missing += [key for key in keys if f"`{key}`" not in page]
        assert field.description or isinstance(value, BaseModel), f"{name} has no description"
    assert missing == []


def test_every_section_and_field_is_described() -> None:
    for name in Settings.model_fields:
        value = getattr(Settings(), name)
        if isinstance(value, BaseModel):
            assert type(value).__doc__
            for key, field in type(value).model_fields.items():
                assert field.description, f"{name}.{key} has no description"


def test_development_is_open_on_this_machine_only(tmp_path: Path) -> None:
    path = tmp_path / "plexus.yaml"
    path.write_text(development(tmp_path / 'da"ta'), "utf-8")
    settings = load_settings(path)
    assert settings.registration.mode == "open"
    assert split_address(settings.listen)[0] == "127.0.0.1"
    assert settings.data_dir == tmp_path / 'da"ta'
