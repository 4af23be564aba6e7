"""`python -m mirror explain`: where in an image an answer came from."""

from __future__ import annotations

import argparse
from pathlib import Path

from mirror.batch.summary import check_place
from mirror.cli.options import NETWORK_USES, add_model, add_network, network_of, require_apart, require_used
from mirror.errors import UsageError
from mirror.image_sources import is_url
from mirror.progress import working
from mirror.storage import replacing
from mirror.tasks.registry import default_model
from mirror.terminal import printable
from mirror.wording import percent

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
TEXT = """\
Shows where in an image the evidence for a label lies (Grad-CAM): a picture of it in grey, coloured the brighter the
more a place speaks for the label, and darkened where the network did not look.
"""


def add(commands: argparse._SubParsersAction) -> None:
    explain = commands.add_parser(
        "explain",
        help="show where in an image the answer came from",
        description=TEXT,
        epilog="example:\n  python -m mirror explain bird.jpg --label duckling --out heat.png\n",
    )
    explain.set_defaults(run=run)
    explain.add_argument("images", nargs=1, metavar="PATH|URL")
    add_model(explain, None, "a model folder or a fastai learner pickle (default: models/mirror)")
    explain.add_argument("--label", help="whose evidence is shown (default: the most probable label's)")
    explain.add_argument(
        "--out", type=Path, default=Path("heat.png"), metavar="FILE", help="the picture to write (default: %(default)s)"
    )
    add_network(explain)


def run(options: argparse.Namespace) -> int:
    (image,) = options.images
    require_used(options, NETWORK_USES)
    if options.out.suffix.lower() not in PICTURES:
        raise UsageError(f"{options.out} cannot be written: give a name that ends in .png or .jpg.")
    check_place(options.out)
    require_apart({"--out": options.out}, options.images)
    with working("Opening the model", log=None):
        from mirror.inference.classifier import Classifier
        from mirror.inference.grad_cam import describe_regions, explain, overlay
        from mirror.inference.pickle_cache import open_model

        classifier = Classifier.load(
            open_model(options.model or default_model()), network=network_of(options, options.images)
        )
    explanation = explain(classifier, image if is_url(image) else Path(image), options.label)
    try:
        with replacing(options.out) as beside:  # also where --out's own name is a link: it is replaced, not followed
            overlay(explanation).save(beside)
    except OSError as error:
        raise UsageError(
            f"{options.out} cannot be written ({error.strerror or error}): make room or choose another place."
        ) from None
    regions = describe_regions(explanation)
    where = {(): "nothing in it", ("everywhere",): "nearly all of it"}.get(regions, f"the {' and the '.join(regions)}")
    out, label = printable(str(options.out)), printable(explanation.label)
    print(f"{out}: {label} {percent(explanation.probability, 1)}, because of {where}")
    return 0
