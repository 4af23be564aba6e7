"""The note on a model: what it learned from, how often it errs and at what, how it was made, and its limits.

Everything comes from model.json and the report/*.png that it records; the note says what a model does not tell.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from mirror.errors import ModelFolderError, reason_in_words
from mirror.model_folder import Calibration, DataInfo, Metrics, ModelInfo, TopLoss, Validation
from mirror.preparation import preparation, published_dataset
from mirror.web import markup, phrases
from mirror.web.markup import text
from mirror.web.models import ServedModel

SOURCES = {
    "search": "found by image search",
    "folder": "from a folder of photos",
    "recipe": "fetched again from a list of photos",
}
VIEWS = {
    "crop": "the middle of the photo",
    "squish": "the whole photo, squeezed to fit",
    "pad": "the whole photo, with its margins filled",
    "none": "the photo as it is",
}
SHOWN_MATRIX = 20  # beyond this many labels a table says less than its list of most frequent mix-ups
SHOWN_LOSSES = 10
SHOWN_MIX_UPS = 12
FEW_PHOTOS = 100  # of fewer, how far probabilities can be trusted is mostly chance
MANY_PHOTOS = 1000  # from here on an interval is narrow enough to be read without a warning
SHOWN_LABELS = 60
MAX_PICTURE_BYTES = 4 * 1024 * 1024
MAX_FILES = 1000
PNG = b"\x89PNG\r\n\x1a\n"  # how each begins
PICTURES = {
    "confusion": "The confusion matrix, drawn",
    "top_losses": "The photos it was most wrong about",
    "reliability": "How far its probabilities can be trusted",
    "training": "How training went",
}


def note(mirror: ServedModel) -> str:
    """The note as HTML. All that comes from the model folder is escaped."""
    info = mirror.info
    if info is None:
        return markup.section("This model cannot be opened", f'<p class="problem">{text(mirror.problem or "")}</p>')
    parts = [
        markup.section("In short", _in_short(mirror, info)),
        markup.section("What it learned from", _data(info)),
        markup.section("How often it errs", _judged(info)),
        markup.section("Where it errs", _mistakes(info)),
        markup.section("How it was made", _making(info)),
        markup.section("What it is not good for", _limits(info)),
    ]
    return f'<div class="note">{"".join(parts)}</div>'


def pictures(mirror: ServedModel) -> str:
    """The pictures of report/ that model.json records, inside the HTML itself: nothing of the model folder is served
    as a file, and what is no PNG is not shown."""
    if mirror.folder is None:
        return ""
    figures = []
    for name in sorted(mirror.info.files)[:MAX_FILES]:
        path = PurePosixPath(name)
        if path.parent != PurePosixPath("report") or path.suffix != ".png":
            continue
        try:
            picture = mirror.folder.read(name, MAX_PICTURE_BYTES)
        except ModelFolderError:  # too large, or not what was recorded
            continue
        if picture.startswith(PNG):
            key = next((key for key in PICTURES if path.stem.startswith(key)), None)
            caption = PICTURES[key] if key else phrases.plain(path.stem).replace("-", " ").capitalize()
            body = base64.b64encode(picture).decode()
            figures.append(
                f'<figure><img src="data:image/png;base64,{body}" alt="{text(caption)}">'
                f"<figcaption>{text(caption)}</figcaption></figure>"
            )
    return (
        f'<div class="note">{markup.section("Pictures from its training", "".join(figures))}</div>' if figures else ""
    )


def how_to_train(models: Path) -> str:
    """The page where there is no model: what to do."""
    return f"""<div class="note blank"><section><h2>There is no model yet</h2>
<p>The mirror answers with the models it finds in <code>{text(models.name or str(models))}/</code>, and there is none.
In the folder of this program, any of these makes one; then start the page again.</p>
<dl><dt>From two words</dt>
<dd><pre><code>python train.py --search "cygnet=baby swan" --search duckling=duckling</code></pre>
finds photos on the web and learns to tell them apart.</dd>
<dt>From your own photos</dt>
<dd><pre><code>python train.py --data my_photos --name mine</code></pre>
learns from a folder that holds a folder of photos for each label.</dd>
<dt>From a model you have</dt>
<dd>Put a fastai learner pickle (<code>learn.export()</code>) into that folder.</dd></dl></section></div>"""


def _in_short(mirror: ServedModel, info: ModelInfo) -> str:
    labels = [phrases.plain(label) for label in info.labels]
    named = (
        phrases.listed(labels) if len(labels) <= 12 else f"{phrases.listed(labels[:8])} and {len(labels) - 8:,} more"
    )
    sentences = [f"It tells {phrases.count(len(labels), 'label')} apart: {named}."]
    if info.data and info.data.counts:
        sentences.append(f"It was made from {phrases.count(sum(info.data.counts.values()), 'photo')}.")
    if info.metrics:
        judged = info.metrics.validation
        wrong = "none" if judged.errors == 0 else f"{judged.errors:,}"
        photos = phrases.count(judged.photos, "photo")
        sentences.append(
            f"Of {photos}, each left out in turn and shown to what had learned from the others, {wrong} came out wrong."
            if judged.folds
            else f"Of {photos} that it had not learned from, it got {wrong} wrong."
        )
    elif mirror.from_pickle:
        sentences.append("It came as a bare learner pickle, which says nothing of its photos or of how often it errs.")
    return f"<p>{text(' '.join(sentences))}</p>"


def error_in_words(judged: Validation) -> str:
    """The error rate with its interval, in words that do not promise more than the photos can show."""
    low, high = (phrases.percent(share, 1) for share in judged.interval)
    rate, photos = phrases.percent(judged.error_rate, 1), phrases.count(judged.photos, "photo")
    if judged.photos >= MANY_PHOTOS:
        return (
            f"Its error is {rate}, measured on {photos} "
            f"({phrases.percent(judged.confidence)} interval: {low} to {high})."
        )
    return (
        f"Its error is {rate}, {judged.errors:,} of {photos}. So few photos leave much to chance: "
        f"on other photos like these its true error lies, with {phrases.percent(judged.confidence)} confidence, "
        f"anywhere between {low} and {high}."
    )


def trust_in_words(calibration: Calibration, temperature: float) -> str:
    """How far its probabilities were from how often it was right, with what was done about it."""
    gap = calibration.after.ece
    low, high = (phrases.percent(end) for end in gap.interval)
    done = (
        f"Its probabilities were made {'less' if temperature > 1 else 'more'} sure of themselves (temperature "
        f"{temperature:.2f}), and are then"
        if temperature != 1
        else "Its probabilities needed no correction that its photos could show. They are"
    )
    few = " So few photos say little about that." if calibration.photos < FEW_PHOTOS else ""
    return (
        f"{done} {phrases.percent(gap.value)} away, on average, from how often it was right "
        f"(95 % interval: {low} to {high}; {phrases.count(calibration.photos, 'photo')} it had not learned from).{few}"
    )


def _data(info: ModelInfo) -> str:
    data, metrics = info.data, info.metrics
    if data is None and metrics is None:
        return _unknown("what photos it learned from, or how many")
    parts = [f"<p>{text(_provenance(data))}</p>"] if data else [_unknown("where its photos came from")]
    counts = data.counts if data else {}
    learned = metrics.labels if metrics else {}
    rows = []
    for label in info.labels[:SHOWN_LABELS]:
        one = learned.get(label)
        number = counts.get(label, one.train + one.validation if one else None)
        rows.append([phrases.plain(label), number, one.train if one else None, one.validation if one else None])
    parts.append(markup.table("Photos of each label", ["Label", "Photos", "To learn from", "To be judged by"], rows))
    if len(info.labels) > SHOWN_LABELS:
        parts.append(f"<p>… and {len(info.labels) - SHOWN_LABELS:,} more labels.</p>")
    if data and data.rejected:
        left_out = sorted(data.rejected.items(), key=lambda item: (-item[1], item[0]))
        total = sum(data.rejected.values())
        parts.append(f"<h3>Left out: {phrases.count(total, 'photo')}</h3>")
        parts.append(
            markup.table(
                "Photos that were left out, and why", ["Why", "Photos"], [[reason_in_words(r), n] for r, n in left_out]
            )
        )
    return "".join(parts)


def _provenance(data: DataInfo) -> str:
    published = published_dataset(data.source)
    origin = published.provenance if published else SOURCES.get(data.source)
    sentences = [f"Its photos were {origin}." if origin else f"Source: {data.source}."]
    if data.queries:
        asked = phrases.listed([f"“{query.query}” for {phrases.plain(query.label)}" for query in data.queries[:12]])
        sentences.append(f"The words searched for: {asked}.")
    if data.source == "search":
        allowed = (
            f"Only photos under the licence filter “{data.license_filter}” were asked for."
            if data.license_filter
            else None
        )
        sentences.append(allowed or "No licence was asked for, so most of them belong to their makers.")
    if data.retrieved:
        days = list(dict.fromkeys(day[:10] for day in (data.retrieved[0], data.retrieved[-1])))
        sentences.append(
            f"They were collected on {days[0]}." if len(days) == 1 else f"Collected from {days[0]} to {days[1]}."
        )
    if data.relabelled or data.removed:
        sentences.append(f"By hand, {data.relabelled:,} were relabelled and {data.removed:,} removed.")
    return " ".join(sentences)


def _judged(info: ModelInfo) -> str:
    if info.metrics is None:
        return _unknown("how often it errs; try it on photos whose answer you know")
    parts = [f"<p>{text(error_in_words(info.metrics.validation))}</p>"]
    if info.metrics.calibration:
        parts.append(f"<p>{text(trust_in_words(info.metrics.calibration, info.temperature))}</p>")
    if info.metrics.labels:
        rows = [
            [phrases.plain(label), _share(one.recall), _share(one.precision)]
            for label, one in list(info.metrics.labels.items())[:SHOWN_LABELS]
        ]
        parts.append(
            markup.table("Each label by itself", ["Label", "Found, of its photos", "Right, when it says so"], rows)
        )
    return "".join(parts)


def _mistakes(info: ModelInfo) -> str:
    if info.metrics is None or not (info.metrics.confusion_matrix or info.metrics.top_losses):
        return _unknown("which labels it mixes up")
    return _confusion(info.labels, info.metrics) + _losses(info.metrics.top_losses)


def _confusion(labels: Sequence[str], metrics: Metrics) -> str:
    matrix, names = metrics.confusion_matrix, [phrases.plain(label) for label in labels]
    if not matrix:
        return ""
    if len(labels) <= SHOWN_MATRIX:
        return markup.confusion("What each photo shows (rows), and what the mirror said (columns)", names, matrix)
    mixed = [
        (times, names[i], names[j])
        for i, row in enumerate(matrix)
        for j, times in enumerate(row)
        if i != j and times
    ]  # fmt: skip
    if not mixed:
        return "<p>It mixed up no two labels.</p>"
    rows = [[shows, said, times] for times, shows, said in sorted(mixed, key=lambda item: (-item[0], item[1:]))]
    return markup.table("The most frequent mix-ups", ["Photos of", "Taken for", "How often"], rows[:SHOWN_MIX_UPS])


def _losses(losses: Sequence[TopLoss]) -> str:
    wrong = [loss for loss in losses if loss.predicted != loss.label][:SHOWN_LOSSES]
    unsure = [loss for loss in losses if loss.predicted == loss.label][: SHOWN_LOSSES - len(wrong)]
    if not (wrong or unsure):
        return ""
    rows = [
        [
            _where(loss),
            text(phrases.plain(loss.label)),
            text(phrases.plain(loss.predicted)),
            phrases.percent(loss.probability),
        ]
        for loss in wrong + unsure
    ]
    title = "Its hardest photos" if unsure else "The photos it was most wrong about"
    return f"<h3>{title}</h3>" + markup.table(title, ["Photo", "Shows", "The mirror said", "How sure"], rows, safe=True)


def _where(loss: TopLoss) -> str:
    name = text(loss.file_name.rsplit("/", 1)[-1])
    if loss.url and loss.url.startswith(("http://", "https://")):
        host = text(loss.url.split("/")[2])
        link = f'<a href="{text(loss.url)}" rel="noopener noreferrer nofollow" target="_blank">{name}</a>'
        return f"{link} <small>{host}</small>"
    return f"{name} <small>{text(loss.url)}</small>" if loss.url else name


def _making(info: ModelInfo) -> str:
    training = info.training
    size = "×".join(str(side) for side in reversed(info.preprocessing.input_size))
    how = info.preprocessing
    view = preparation(how.prepare).view or VIEWS.get(how.resize, how.resize)
    rows: list[tuple[str, str | None]] = [
        ("Network", info.arch),
        ("Sees", f"{size} pixels, {view}"),
        ("Starting weights", training.weights if training else None),
        ("Recipe", training.recipe if training else None),
        ("Epochs", str(training.epochs) if training and training.epochs is not None else None),
        ("Seed", str(training.seed) if training and training.seed is not None else None),
        ("Training time", f"{training.seconds:,.0f} s" if training and training.seconds is not None else None),
        ("Made on", info.created_at[:10] if info.created_at else None),
        ("Runs as", f"ONNX, {info.onnx.precision}"),
        ("Versions", ", ".join(f"{name} {version}" for name, version in info.versions.items()) or None),
    ]
    told = "".join(f"<dt>{name}</dt><dd>{text(value)}</dd>" for name, value in rows if value)
    unknown = [name.lower() for name, value in rows if not value]
    missing = f'<p class="unknown">Not recorded: {phrases.listed(unknown)}.</p>' if unknown else ""
    return f"<dl>{told}</dl>{missing}"


def _limits(info: ModelInfo) -> str:
    labels = [phrases.plain(label) for label in info.labels]
    among = phrases.listed(labels) if len(labels) <= phrases.SPELLED_OUT else f"its {len(labels):,} labels"
    stranger = info.novelty is not None and info.novelty.threshold is not None
    items = [
        f"It knows only {among}. "
        + (
            f"When a photo is unlike all it has learned from, it says “{phrases.none_of(labels)}”; "
            f"now and then that is wrong both ways{_wrongly_refused(info)}."
            if stranger
            else "It has no way of noticing that a photo shows something else, and will name one of them all the same."
        ),
        "It looks at the whole photo, and may go by the background, the light or the quality of the picture.",
        "Its probabilities say how sure it is, not how right: they mislead on photos unlike those it learned from.",
        "Decide nothing that matters to a person or an animal by it.",
    ]
    return f"<ul>{''.join(f'<li>{text(item)}</li>' for item in items)}</ul>"


def _wrongly_refused(info: ModelInfo) -> str:
    novelty = info.novelty
    if novelty.real_refused is None or not novelty.photos:
        return ""
    share = phrases.percent(novelty.real_refused)
    return f" (it would have said so of {share} of its own {novelty.photos:,} photos, had it not seen them)"


def _share(value: float | None) -> str | None:
    return None if value is None else phrases.percent(value)


def _unknown(what: str) -> str:
    return f'<p class="unknown">The model does not say {text(what)}.</p>'
