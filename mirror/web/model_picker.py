"""The list of models to choose from, on the page and as an argument of programs: as the folder holds them by now."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mirror import answer_sentences
from mirror.web.photo_input import NoStubFile
from mirror.web.served_models import ModelRegistry, ServedModel


class ModelPicker(gr.Dropdown, metaclass=NoStubFile):
    is_template = True  # the browser's side is gr.Dropdown's

    registry: ModelRegistry
    built: list[Any]

    def refresh(self) -> None:
        """Reads the folder again."""
        self.registry.refresh()
        default = self.registry.default
        self.choices, self.value = [*_choices(self.registry)], default.name if default else None

    def differs(self) -> bool:
        """Whether there is something else to choose from than when the page was built, which browsers begin with."""
        return self.choices != self.built

    def update(self, served: ServedModel) -> dict[str, Any]:
        """For a browser: the choices, with that model chosen."""
        return gr.update(choices=self.choices, value=served.name, visible=len(self.choices) > 1)


def lay_out_picker(registry: ModelRegistry) -> ModelPicker:
    """In the current block. (A component that gradio shows takes its own arguments only, so these come after.)"""
    picker = ModelPicker(
        [*_choices(registry)], value=registry.default.name if registry.default else None, label="Model",
        visible=len(registry.served) > 1, elem_id="picker", filterable=len(registry.served) > 12,
    )  # fmt: skip
    picker.registry, picker.built = registry, picker.choices
    return picker


def _choices(registry: ModelRegistry) -> list[tuple[str, str]]:
    return [(_choice_name(served), name) for name, served in registry.served.items()]


def _choice_name(served: ServedModel) -> str:
    if served.problem:
        return f"{served.name} (cannot be opened)"
    return answer_sentences.choice(served.name, served.labels)
